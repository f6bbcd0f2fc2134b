"""The capability Jacobian: K gradients, one per capability, from one backward pass.

A policy gradient is linear in its advantages, g_k = sum_i A_ki grad(sum_t c_it log p_it), and so is a weight gradient in the gradient of
its layer's output. One backward pass with unit weight on every sample therefore passes each trainable layer once, and there its saved input
x and the gradient D of its output give all K weight gradients, dW_k = sum_i A_ki D_i^T x_i. The order of the products decides the cost:

- the K weighted copies of the thinner factor, then one product: n T K o i multiplications for n samples of T tokens;
- the n gradients of single samples, then their weighted sums: n (T + K) o i, hardly more than the one gradient of a plain step.

Supported layers are linear ones (LoRA's factors among them), embeddings and norms; `unsupported` names any other trained layer, and
callers then run K backward passes. Taps are nodes of the autograd graph that save their input as every node does, so gradient
checkpointing keeps its savings.

Dimensions: R rows, P parameters, n samples in a chunk, T tokens of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 1 << 20
"""Parameters per block of a float64 product, and elements of the single-sample gradients that are held at once."""


class Jacobian:
    """R gradients side by side in one float32 buffer (float64 where the parameters are), so that ranks sum them in one reduction.

    Attributes:
        parameters: Parameters of the gradients; one that two layers share is listed once.
        rows_RP: The gradients.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rows: int) -> None:
        self.parameters = list(dict.fromkeys(parameters))
        sizes = [p.numel() for p in self.parameters]
        ends = torch.tensor(sizes).cumsum(0).tolist()
        self._columns = {p: slice(end - size, end) for p, size, end in zip(self.parameters, sizes, ends, strict=True)}
        wide = any(p.dtype == torch.float64 for p in self.parameters)
        self.rows_RP = torch.zeros(rows, sum(sizes), dtype=torch.float64 if wide else torch.float32, device=self.parameters[0].device)

    def __contains__(self, parameter: nn.Parameter) -> bool:
        return parameter in self._columns

    def of(self, parameter: nn.Parameter, rows: slice = slice(None)) -> Tensor:
        """Return the rows of one parameter, [rows, *shape], a view to add to."""
        return self.rows_RP[rows, self._columns[parameter]].unflatten(1, parameter.shape)

    def add(self, row: int, gradients: Iterable[Tensor | None]) -> None:
        """Add one gradient, given parameter by parameter, to a row; None: the parameter has no gradient."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is not None:
                self.of(parameter)[row] += gradient

    def gramian(self, scale_P: Tensor | None = None) -> Tensor:
        """Return inner products [R, R] of the rows in float64; with `scale_P` in the metric of this diagonal."""
        total = torch.zeros(len(self.rows_RP), len(self.rows_RP), dtype=torch.float64, device=self.rows_RP.device)
        for start in range(0, self.rows_RP.shape[1], BLOCK):
            block = self.rows_RP[:, start : start + BLOCK].double()
            scaled = block if scale_P is None else block * scale_P[start : start + BLOCK].double()
            total += scaled @ block.T
        return (total + total.T) / 2

    def times(self, vector_P: Tensor) -> Tensor:
        """Return each row's inner product with a change of the parameters, float64: its first-order effect on each objective."""
        blocks = range(0, self.rows_RP.shape[1], BLOCK)
        return torch.stack([self.rows_RP[:, s : s + BLOCK].double() @ vector_P[s : s + BLOCK].double() for s in blocks]).sum(0)

    def combine(self, weights_R: Tensor) -> Tensor:
        """Return the weighted sum [P] of the rows."""
        return weights_R.to(self.rows_RP) @ self.rows_RP

    def write_gradient(self, gradient_P: Tensor) -> None:
        """Write a flat vector to the `.grad` of the parameters, in their precision."""
        for parameter, columns in self._columns.items():
            parameter.grad = gradient_P[columns].view(parameter.shape).to(parameter.dtype)

    def flatten(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return tensors, one per parameter, as one vector [P] in the order of the columns."""
        return torch.cat([t.detach().reshape(-1) for t in tensors])


@contextmanager
def capture(model: nn.Module, jacobian: Jacobian) -> Iterator[RowCapture]:
    """Capture backward passes through `model` in the rows of the Jacobian, without computing weight gradients separately.

    Backward passes run as `capture.backward(scalar, weights_Rn, rows)`.
    """
    tap = RowCapture(jacobian)
    trained = set(jacobian.parameters)
    with ExitStack() as stack:
        for module in model.modules():
            if any(p in trained for p in module.parameters(recurse=False)):
                stack.callback(module.register_forward_hook(tap.hook, with_kwargs=True).remove)
        for parameter in jacobian.parameters:
            parameter.requires_grad_(False)
            stack.callback(parameter.requires_grad_, True)
        yield tap


def unsupported(model: nn.Module) -> list[str]:
    """Return the names of the trainable parameters whose rows `capture` cannot form.

    >>> unsupported(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))), unsupported(nn.Sequential(nn.Bilinear(2, 2, 1)))
    ([], ['0.weight', '0.bias'])
    """
    return [
        f"{name}.{own}" if name else own
        for name, module in model.named_modules()
        for own, parameter in module.named_parameters(recurse=False)
        if parameter.requires_grad and not _is_supported(module)
    ]


class RowCapture:
    """Taps on the layers of a model; see `capture`."""

    def __init__(self, jacobian: Jacobian) -> None:
        self.jacobian = jacobian
        self.anchor = torch.zeros((), device=jacobian.rows_RP.device, requires_grad=True)
        self._weights: Tensor | None = None
        self._rows = slice(None)
        self._collecting = False  # a norm runs once more to form its rows, and must not be tapped then

    def hook(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor | None:
        """Insert a tap after a layer. The anchor makes its output differentiable even where nothing before it is trained."""
        if not torch.is_grad_enabled() or self._collecting:
            return None
        source = args[0] if args else next(iter(kwargs.values()))
        return _Tap.apply(output, self.anchor, source.detach(), module, self)

    def backward(
        self, scalar: Tensor, weights_Rn: Tensor, rows: slice, inputs: Sequence[Tensor] = (), *, retain_graph: bool = False
    ) -> list[Tensor]:
        """Add sum_i weights_ri d(scalar_i)/d(parameters) to the rows, where the scalar is a sum over samples.

        Args:
            scalar: Sum over the samples of the chunk; each sample is one index of every layer's first dimension.
            weights_Rn: Weight of each sample in each row; n is a multiple of the layer's rows if it works on flattened tokens.
            rows: Which rows of the Jacobian.
            inputs: Tensors whose plain gradient is returned as well.
            retain_graph: Whether another backward pass through the same graph follows.

        Returns:
            The gradient of the scalar for each of `inputs`, samples unweighted.
        """
        self._weights, self._rows = weights_Rn.to(self.jacobian.rows_RP), rows
        try:
            gradients = torch.autograd.grad(scalar, [self.anchor, *inputs], retain_graph=retain_graph, allow_unused=True)
        finally:
            self._weights = None
        return [torch.zeros_like(t) if g is None else g for t, g in zip(inputs, gradients[1:], strict=True)]

    def collect(self, module: nn.Module, x: Tensor, d: Tensor) -> None:
        """Add one layer's part, from its input x [n, ..., i] and the gradient d [n, ..., o] of its output."""
        if self._weights is None:
            raise RuntimeError("a backward pass through a captured model that the capture did not start")
        weights_Rn = self._weights
        if d.shape[0] != weights_Rn.shape[1]:
            if d.shape[0] % weights_Rn.shape[1]:
                raise ValueError(f"{type(module).__name__} sees {d.shape[0]} rows for {weights_Rn.shape[1]} samples")
            shape = (weights_Rn.shape[1], d.shape[0] // weights_Rn.shape[1])
            x, d = x.unflatten(0, shape), d.unflatten(0, shape)
        precision, device = self.jacobian.rows_RP.dtype, d.device.type
        self._collecting = True
        try:
            with torch.no_grad(), torch.autocast(device, enabled=False):
                for parameter, rows in _rows_of(module, x, d.to(precision), weights_Rn):
                    if parameter in self.jacobian:  # a layer may be trained in part
                        self.jacobian.of(parameter, self._rows).add_(rows)
        finally:
            self._collecting = False


class _Tap(torch.autograd.Function):
    """Identity of a layer's output, whose backward pass hands input and gradient to the capture."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor, source: Tensor, module: nn.Module, owner: RowCapture) -> Tensor:
        ctx.save_for_backward(source)
        ctx.module, ctx.owner = module, owner
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        (gradient,) = gradients
        (source,) = ctx.saved_tensors
        ctx.owner.collect(ctx.module, source, gradient)
        return (gradient if ctx.needs_input_grad[0] else None), gradient.new_zeros(()), None, None, None


# ---- the rows of one layer


def _is_supported(module: nn.Module) -> bool:
    # by what runs, not by inheritance: Gemma's embedding, say, is one that scales
    plain = type(module).forward in (nn.Linear.forward, nn.Embedding.forward)
    return plain or _is_conv1d(module) or _is_norm(module)


def _is_conv1d(module: nn.Module) -> bool:
    return type(module).__name__ == "Conv1D"  # GPT-2's linear layer: its weight is [in, out]


def _is_norm(module: nn.Module) -> bool:
    return type(module).__name__.endswith(("LayerNorm", "RMSNorm")) and not list(module.children())


def _rows_of(module: nn.Module, x: Tensor, d: Tensor, weights_Rn: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Return the layer's trained parameters (all frozen while captured) with their rows."""
    n = len(d)
    weight: Any = module.weight
    if isinstance(module, nn.Embedding):
        flat = d.reshape(n, -1, d.shape[-1])
        rows = torch.zeros(len(weights_Rn), *weight.shape, dtype=d.dtype, device=d.device)
        ids = x.reshape(-1)
        for row, weights_n in zip(rows, weights_Rn, strict=True):
            row.index_add_(0, ids, (weights_n[:, None, None] * flat).flatten(0, 1))
        if module.padding_idx is not None:
            rows[:, module.padding_idx] = 0
        yield weight, rows
        return
    if _is_norm(module):
        yield from _norm_rows(module, x, d, weights_Rn)
        return
    x_nTi, d_nTo = x.to(d.dtype).reshape(n, -1, x.shape[-1]), d.reshape(n, -1, d.shape[-1])
    yield weight, _products(x_nTi, d_nTo, weights_Rn) if _is_conv1d(module) else _products(d_nTo, x_nTi, weights_Rn)
    bias: Any = module.bias
    if bias is not None:
        yield bias, weights_Rn @ d_nTo.sum(1)


def _products(a_nTo: Tensor, b_nTi: Tensor, weights_Rn: Tensor) -> Tensor:
    """Return the sum over samples of weight x a^T b for each row, [R, o, i], by the cheaper of the two ways."""
    n, tokens, o = a_nTo.shape
    i, count = b_nTi.shape[-1], len(weights_Rn)
    if count == 1 or tokens < 2 * count:  # few tokens: weighted copies of the thinner factor
        if o <= i:
            copies = (weights_Rn[:, :, None, None] * a_nTo).permute(0, 3, 1, 2).reshape(count * o, n * tokens)
            return (copies @ b_nTi.reshape(n * tokens, i)).view(count, o, i)
        copies = (weights_Rn[:, :, None, None] * b_nTi).permute(0, 3, 1, 2).reshape(count * i, n * tokens)
        return (copies @ a_nTo.reshape(n * tokens, o)).view(count, i, o).transpose(1, 2)
    total = torch.zeros(count, o * i, dtype=a_nTo.dtype, device=a_nTo.device)
    at_once = max(count, BLOCK // (o * i))
    for start in range(0, n, at_once):
        some = slice(start, start + at_once)
        total.addmm_(weights_Rn[:, some], torch.bmm(a_nTo[some].transpose(1, 2), b_nTi[some]).flatten(1))
    return total.view(count, o, i)


def _norm_rows(module: nn.Module, x: Tensor, d: Tensor, weights_Rn: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Return rows of a norm layer: the per-sample weight gradient is the sum over tokens of output gradient times normalised input."""
    parameter: Any = module.weight
    shape = tuple(parameter.shape)
    between = tuple(range(1, d.ndim - len(shape)))
    with torch.enable_grad():  # by the layer itself, so that every variant (1 + weight, scale before or after) is right
        weight = torch.ones(len(d), *[1] * len(between), *shape, dtype=d.dtype, device=d.device)
        if isinstance(module, nn.LayerNorm):
            per_sample = d * F.layer_norm(x.to(d.dtype), module.normalized_shape, eps=module.eps)
        elif isinstance(module, nn.RMSNorm):
            per_sample = d * F.rms_norm(x.to(d.dtype), module.normalized_shape, eps=module.eps)
        else:
            weight.requires_grad_()
            output = torch.func.functional_call(module, {"weight": weight}, (x.to(d.dtype),))
            per_sample = torch.autograd.grad(output, weight, d)[0]
    summed = per_sample.sum(between) if between and per_sample.shape == d.shape else per_sample.reshape(len(d), *shape)
    yield parameter, (weights_Rn @ summed.flatten(1)).view(-1, *shape)
    bias: Any = getattr(module, "bias", None)
    if bias is not None:
        yield bias, (weights_Rn @ d.sum(between).flatten(1)).view(-1, *shape)
