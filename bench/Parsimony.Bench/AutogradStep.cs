using Parsimony.Autoencoders;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>The article's step as every PyTorch peer writes it: autograd, torch.optim.Adam, renormalised rows. What the others are measured against.</summary>
internal sealed class AutogradStep : IDisposable
{
    private readonly Parameter wEnc, wDec, bEnc, bDec;
    private readonly optim.Optimizer adam;

    public AutogradStep(StandardSae start, double learningRate)
    {
        (wEnc, wDec, bEnc, bDec) = (Learned(start.WEnc), Learned(start.WDec), Learned(start.BEnc), Learned(start.BDec));
        adam = optim.Adam([wEnc, wDec, bEnc, bDec], learningRate);
    }

    /// <summary>Decoder weights, <c>[d_sae, d_model]</c>.</summary>
    public Tensor WDec => wDec;

    public void Run(Tensor x, double l1Coefficient)
    {
        using var scope = NewDisposeScope();
        adam.zero_grad();
        var f = nn.functional.relu((x - bDec).matmul(wEnc) + bEnc);
        var xHat = f.matmul(wDec) + bDec;
        var loss = (x - xHat).square().sum(-1).mean() + l1Coefficient * f.abs().sum(-1).mean();
        loss.backward();
        using var _ = no_grad();
        adam.step();
        wDec.div_(wDec.norm(1, keepdim: true));
    }

    public void Dispose()
    {
        adam.Dispose();
        foreach (var parameter in (Parameter[])[wEnc, wDec, bEnc, bDec]) parameter.Dispose();
    }

    private static Parameter Learned(Tensor t)
    {
        var parameter = new Parameter(t.clone());
        parameter.DetachFromDisposeScope();
        return parameter;
    }
}
