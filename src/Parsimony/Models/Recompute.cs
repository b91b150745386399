using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// Runs a part of a model and keeps nothing but its input for the backward pass, which runs the part again (Chen et al. 2016, arXiv 1604.06174): the memory of one part instead of all, for one more
/// forward pass. The gradient has the same bits.
/// </summary>
internal sealed class Recompute : autograd.SingleTensorFunction<Recompute>
{
    private const string Key = "part", AfterKey = "after";
    private static Exception? fault; // of a backward pass, for Gradients

    public override string Name => nameof(Recompute);

    /// <summary>The part applied to x.</summary>
    /// <param name="part">A function of its argument alone: no gradient reaches what else it uses. Called again in the backward pass.</param>
    /// <param name="x">Its argument.</param>
    /// <param name="after">Called when the part has been run, and once more when its backward pass is over; null: nothing is to be done.</param>
    public static Tensor Of(Func<Tensor, Tensor> part, Tensor x, Action? after = null)
    {
        if (is_grad_enabled() && x.requires_grad) return apply(x, part, after ?? (() => { }));
        var result = part(x);
        after?.Invoke();
        return result;
    }

    /// <summary>What went wrong in a backward pass since the last call; null: nothing.</summary>
    public static Exception? TakeFault() => Interlocked.Exchange(ref fault, null);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_for_backward([(Tensor)vars[0]]);
        ctx.save_data(Key, vars[1]);
        ctx.save_data(AfterKey, vars[2]);
        var result = ((Func<Tensor, Tensor>)vars[1])((Tensor)vars[0]);
        ((Action)vars[2])();
        return result;
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var mine = BackwardPart.Begin(grad_output);
        var x = ctx.get_saved_variables()[0];
        try
        {
            using var withGradient = enable_grad();
            var input = x.detach().requires_grad_();
            var output = ((Func<Tensor, Tensor>)ctx.get_data(Key))(input);
            var gradient = autograd.grad([output], [input], [grad_output])[0];
            using (no_grad()) ((Action)ctx.get_data(AfterKey))();
            return mine.Give(gradient, null, null);
        }
#pragma warning disable CA1031 // whatever passes from here into libtorch ends the process; Gradients throws it where it can be caught
        catch (Exception e)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref fault, e, null);
            return mine.Give(zeros_like(x), null, null);
        }
    }
}
