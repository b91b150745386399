using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>Where a parameter and its two moments begin.</summary>
internal readonly unsafe struct AdamPointers(Tensor parameter, Tensor mean, Tensor meanSquare)
{
    public readonly float* P = parameter.Pointer(), M = mean.Pointer(), V = meanSquare.Pointer();
}

/// <summary>A parameter and its two moments in huge pages. The moments come into being when they are first asked for: by then the weights that the parameter was
/// copied from are gone.</summary>
internal sealed class LearnedTensor : IDisposable
{
    private Tensor? mean, meanSquare;

    /// <param name="parameter">First values, copied; any strides.</param>
    public LearnedTensor(Tensor parameter)
    {
        Parameter = InHugePages(parameter.shape);
        Parameter.copy_(parameter);
    }

    /// <summary>What is learned, contiguous.</summary>
    public Tensor Parameter { get; }

    /// <summary>Running mean of the gradient (PyTorch: exp_avg).</summary>
    public Tensor Mean => mean ??= Zeros();

    /// <summary>Running mean of the squared gradient (PyTorch: exp_avg_sq).</summary>
    public Tensor MeanSquare => meanSquare ??= Zeros();

    /// <summary>Valid while this object lives.</summary>
    public AdamPointers Pointers() => new(Parameter, Mean, MeanSquare);

    /// <summary>Forgets the moments of some rows.</summary>
    public void Forget(Tensor rows)
    {
        Mean.index_fill_(0, rows, 0);
        MeanSquare.index_fill_(0, rows, 0);
    }

    public void Dispose()
    {
        Parameter.Dispose();
        mean?.Dispose();
        meanSquare?.Dispose();
    }

    private Tensor Zeros()
    {
        var t = InHugePages(Parameter.shape);
        t.zero_(); // a statement of its own: what it returns is another handle, which dies with the scope
        return t;
    }

    private static unsafe Tensor InHugePages(long[] shape)
    {
        var t = empty(shape);
        HugePages.Advise(t.Pointer(), t.numel() * sizeof(float)); // before the first touch, which is what makes the pages
        return t.DetachFromDisposeScope();
    }
}
