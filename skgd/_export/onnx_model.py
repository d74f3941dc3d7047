"""ONNX models of fitted estimators, alone and inside those of skl2onnx."""

import itertools
from numbers import Integral

import numpy as np

from skgd._export.fitted import Fitted
from skgd._export.graph import Graph, are_numbers, write_classifier, write_regressor

# The oldest that has every operator written here; what onnxruntime 1.15 can run.
OPSET = 18
IR_VERSION = 9


def onnx_model(estimator, dtype, opset):
    """See ``BaseGD.to_onnx``."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            'to_onnx() needs the package onnx: pip install "skgd[onnx]".'
        ) from error
    from onnx import TensorProto, helper, numpy_helper

    try:
        is_float = np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        is_float = False
    if not is_float:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}.")
    dtype = np.dtype(dtype)
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset, Integral) or not OPSET <= opset <= newest:
        raise ValueError(
            f"opset must be at least {OPSET}, and at most {newest} with the installed "
            f"onnx, got {opset!r}."
        )
    fitted = Fitted.of(estimator)
    nodes, constants, numbers = [], [], itertools.count()

    def add_node(operator, inputs, outputs, attributes):
        nodes.append(helper.make_node(operator, inputs, outputs, **attributes))

    def add_constant(name, array):
        constants.append(numpy_helper.from_array(array, name))

    graph = Graph(
        dtype, add_node, add_constant, lambda prefix: f"{prefix}_{next(numbers)}"
    )
    element = helper.np_dtype_to_tensor_dtype(dtype)
    inputs = [helper.make_tensor_value_info("X", element, [None, fitted.n_features])]
    if fitted.task.name == "regression":
        write_regressor(graph, fitted, "X", "variable")
        shape = [None, fitted.n_outputs]
        outputs = [helper.make_tensor_value_info("variable", element, shape)]
    else:
        write_classifier(graph, fitted, "X", "label", "probabilities")
        strings = not (fitted.is_multilabel or are_numbers(fitted.task.classes))
        kind = TensorProto.STRING if strings else TensorProto.INT64
        width = fitted.n_outputs if fitted.n_outputs > 1 else 2
        shape = [None, fitted.n_outputs] if fitted.is_multilabel else [None]
        outputs = [
            helper.make_tensor_value_info("label", kind, shape),
            helper.make_tensor_value_info("probabilities", element, [None, width]),
        ]
    model = helper.make_model(
        helper.make_graph(nodes, fitted.name, inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="skgd",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def register(classes):
    """Tell skl2onnx how to convert estimators of some classes."""
    try:
        from skl2onnx import update_registered_converter
        from skl2onnx.common.data_types import (
            DoubleTensorType,
            FloatTensorType,
            Int64TensorType,
        )
        from skl2onnx.common.shape_calculator import (
            calculate_linear_classifier_output_shapes,
            calculate_linear_regressor_output_shapes,
        )
    except ImportError as error:
        raise ImportError(
            'register_skl2onnx() needs skl2onnx: pip install "skgd[onnx]".'
        ) from error
    from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier

    def shapes(operator):
        if is_classifier(operator.raw_operator):
            calculate_linear_classifier_output_shapes(operator)
            fitted = _fitted(operator)
            if fitted.is_multilabel:
                shape = [operator.inputs[0].get_first_dimension(), fitted.n_outputs]
                operator.outputs[0].set_type(Int64TensorType(shape))
        else:
            calculate_linear_regressor_output_shapes(operator)

    def parse(scope, model, inputs, custom_parsers=None):
        operator = scope.declare_local_operator(f"Skgd{type(model).__name__}", model)
        operator.inputs = inputs
        # Shapes, and the type of labels, are set right by `shapes`.
        double = isinstance(inputs[0].type, DoubleTensorType)
        number = DoubleTensorType if double else FloatTensorType
        names = ["label", "probabilities"] if is_classifier(model) else ["variable"]
        for name in names:
            kind = Int64TensorType() if name == "label" else number()
            operator.outputs.append(scope.declare_local_variable(name, kind))
        return operator.outputs

    for cls in classes:
        # The class of MLPGD does not say whether it is a classifier.
        known = issubclass(cls, ClassifierMixin)
        options = {
            "zipmap": [True, False, "columns"],
            "output_class_labels": [False, True],
            "nocl": [True, False],
            "raw_scores": [True, False],
        }
        update_registered_converter(
            cls,
            f"Skgd{cls.__name__}",
            shapes,
            _convert,
            parser=None if known else parse,
            options=None if issubclass(cls, RegressorMixin) else options,
        )


def _fitted(operator):
    """What an operator of skl2onnx stands for."""
    model = operator.raw_operator
    # A search over strengths predicts with the model that it has fitted to all rows.
    return Fitted.of(getattr(model, "best_estimator_", model))


def _convert(scope, operator, container):
    """Write an operator of skl2onnx into its container."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from skl2onnx.proto import onnx_proto

    fitted = _fitted(operator)
    given = operator.inputs[0]
    double = isinstance(given.type, DoubleTensorType)
    dtype = np.float64 if double else np.float32

    def add_node(kind, inputs, outputs, attributes):
        container.add_node(
            kind,
            inputs,
            outputs,
            op_domain="",
            op_version=container.target_opset,
            name=scope.get_unique_operator_name(kind),
            **attributes,
        )

    def add_constant(name, array):
        kinds = {"f": onnx_proto.TensorProto.FLOAT, "O": onnx_proto.TensorProto.STRING}
        kind = kinds.get(array.dtype.kind, onnx_proto.TensorProto.INT64)
        if array.dtype == np.float64:
            kind = onnx_proto.TensorProto.DOUBLE
        values = array.ravel()
        if array.dtype.kind == "O":
            values = [value.encode() for value in values]
        container.add_initializer(name, kind, list(array.shape), values)

    graph = Graph(dtype, add_node, add_constant, scope.get_unique_variable_name)
    x = given.full_name
    if not isinstance(given.type, (DoubleTensorType, FloatTensorType)):
        to = onnx_proto.TensorProto.FLOAT
        x = graph.apply("Cast", x, to=to)
    names = [output.full_name for output in operator.outputs]
    if fitted.task.name == "regression":
        write_regressor(graph, fitted, x, *names)
    else:
        # Calibration asks for the scores.
        options = container.get_options(operator.raw_operator, {"raw_scores": False})
        write_classifier(graph, fitted, x, *names, raw_scores=options["raw_scores"])
