using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models.Storage;

/// <summary>
/// The product with a stored matrix: blocks of its rows are dequantised, multiplied and forgotten while they are in cache, so that there never is a float32 copy of
/// it. The backward pass dequantises once more: kept from the forward pass, the copies of all layers would be in memory together.
/// </summary>
internal sealed class StoredProduct : autograd.SingleTensorFunction<StoredProduct>
{
    private const string Key = "factors";
    private const long BlockNumbers = 1 << 21, DeviceBlockNumbers = 1 << 26; // 8 MiB of float32; on a GPU a launch must be worth it

    [ThreadStatic]
    private static Tensor? scratch;

    public override string Name => nameof(StoredProduct);

    /// <summary><c>x W^T + bias</c>, <c>[.., in]</c> to <c>[.., out]</c>, float32. Gradients flow to x; the matrix is frozen.</summary>
    /// <param name="x"><c>[.., in]</c>, float32.</param>
    /// <param name="matrix"><c>[out, in]</c>; must live until the backward pass is over.</param>
    /// <param name="bias"><c>[out]</c>; null for none.</param>
    public static Tensor Of(Tensor x, IStoredMatrix matrix, Tensor? bias)
    {
        if (matrix is Fp32Matrix plain) return bias is null ? linear(x, plain.Weight) : linear(x, plain.Weight, bias);
        if (matrix is HalfMatrix { Halves: { device_type: DeviceType.CUDA } halves }) return OnGpu(x, halves, bias);
        var factors = new Factors(matrix, bias);
        return is_grad_enabled() && x.requires_grad ? apply(x, factors) : Product(x, factors);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Key, vars[1]);
        return Product((Tensor)vars[0], (Factors)vars[1]);
    }

    // A fault here would end the process; the forward pass has found the shapes to fit.
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var part = BackwardPart.Begin(grad_output);
        var matrix = ((Factors)ctx.get_data(Key)).Matrix;
        var gradient = grad_output.reshape(-1, matrix.Outputs);                                  // [tokens, out]
        var result = zeros(gradient.size(0), matrix.Inputs, device: gradient.device);
        foreach (var (first, count) in Blocks(matrix, gradient.device))
        {
            using var block = NewDisposeScope();
            result.addmm_(gradient.narrow(1, first, count), Decoded(matrix, first, count, gradient.device), 1, 1);
        }
        return part.Give(result.view([.. grad_output.shape[..^1], matrix.Inputs]), null);
    }

    private static Tensor Product(Tensor x, Factors by)
    {
        using var scope = NewDisposeScope();
        var matrix = by.Matrix;
        var rows = x.reshape(-1, matrix.Inputs);                                                 // [tokens, in]
        var result = empty(rows.size(0), matrix.Outputs, device: x.device);
        if (by.Bias is not null) result.copy_(by.Bias.expand_as(result));
        foreach (var (first, count) in Blocks(matrix, x.device))
        {
            using var block = NewDisposeScope();
            result.narrow(1, first, count).addmm_(rows, Decoded(matrix, first, count, x.device).t(), by.Bias is null ? 0 : 1, 1);
        }
        return result.view([.. x.shape[..^1], matrix.Outputs]).MoveToOuterDisposeScope();
    }

    // Where half precision is what the units for matrices are made for; on processors without such units it is many times slower than float32. Its gradient is libtorch's own: the frozen matrix is
    // all that it keeps, in the type that it is in.
    private static Tensor OnGpu(Tensor x, Tensor halves, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var product = linear(x.to(halves.dtype), halves).to(ScalarType.Float32);
        return (bias is null ? product : product + bias).MoveToOuterDisposeScope();
    }

    /// <summary>Some rows in this thread's own place for them: given and taken back each time, blocks would break the heap into holes that nothing as large fits into.</summary>
    private static Tensor Decoded(IStoredMatrix matrix, long first, long count, Device device)
    {
        long numbers = count * matrix.Inputs;
        if (scratch is null || scratch.numel() < numbers || scratch.device_type != device.type || scratch.device_index != device.index)
        {
            scratch?.Dispose();
            scratch = empty(Math.Max(BlockNumbers, numbers), ScalarType.Float32, device).DetachFromDisposeScope();
        }
        var rows = scratch.narrow(0, 0, numbers).view(count, matrix.Inputs);
        matrix.Decode(first, rows);
        return rows;
    }

    private static IEnumerable<(long First, long Count)> Blocks(IStoredMatrix matrix, Device device)
    {
        long numbers = device.type == DeviceType.CPU ? BlockNumbers : DeviceBlockNumbers;
        long rows = Math.Max(Nf4Matrix.Block, numbers / matrix.Inputs / Nf4Matrix.Block * Nf4Matrix.Block); // so that no NF4 block is cut
        for (long first = 0; first < matrix.Outputs; first += rows) yield return (first, Math.Min(rows, matrix.Outputs - first));
    }

    private sealed record Factors(IStoredMatrix Matrix, Tensor? Bias);
}
