using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>
/// The product with a matrix that is dequantised for it and then let go. Its backward pass dequantises once more: kept from the forward pass, the
/// float32 copies of all layers would be in memory together.
/// </summary>
internal sealed class DequantisedProduct : autograd.SingleTensorFunction<DequantisedProduct>
{
    private const string Key = "factors";

    public override string Name => nameof(DequantisedProduct);

    /// <summary><c>x W^T + bias</c>.</summary>
    public static Tensor Of(Tensor x, IStoredMatrix matrix, Tensor? bias) =>
        is_grad_enabled() && x.requires_grad ? apply(x, new Factors(matrix, bias)) : Product(x, new Factors(matrix, bias));

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Key, vars[1]);
        return Product((Tensor)vars[0], (Factors)vars[1]);
    }

    // A fault here would end the process; the forward pass has found the shapes to fit.
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var weight = ((Factors)ctx.get_data(Key)).Matrix.Dequantised();
        return [grad_output.matmul(weight), null!];
    }

    private static Tensor Product(Tensor x, Factors by)
    {
        using var weight = by.Matrix.Dequantised();
        return by.Bias is null ? linear(x, weight) : linear(x, weight, by.Bias);
    }

    private sealed record Factors(IStoredMatrix Matrix, Tensor? Bias);
}
