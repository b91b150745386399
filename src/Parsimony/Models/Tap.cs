using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// The model's one seam. The model calls it at every hook point it passes: return <paramref name="x"/> to read, another
/// tensor of the same shape to replace. Harvesting, ablating, splicing and steering are all taps; the model knows none of them.
/// </summary>
/// <param name="at">The hook point being passed.</param>
/// <param name="x">The activation, <c>[batch, seq, width]</c>. The model owns it: clone what is to outlive the call, never dispose or change it.</param>
/// <returns><paramref name="x"/> itself or its replacement, of the same shape.</returns>
public delegate Tensor Tap(HookPoint at, Tensor x);
