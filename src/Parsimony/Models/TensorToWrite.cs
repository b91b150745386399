using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>A tensor of a file that is yet to be written, made when its turn comes.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">Element type that it will have.</param>
/// <param name="Shape">Axes that it will have.</param>
/// <param name="Make">Makes it, inside a dispose scope that ends once it is written.</param>
public sealed record TensorToWrite(string Name, ScalarType Type, long[] Shape, Func<Tensor> Make);
