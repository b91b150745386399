using Parsimony.Evaluation;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>What a reward model is worth on some pairs or texts with a label.</summary>
/// <param name="Accuracy">As in <see cref="RewardHeadProgress"/>, with its interval over pairs or texts (95 %).</param>
/// <param name="Loss">Nats per pair or text, centring included.</param>
/// <param name="Margin">As in <see cref="RewardHeadProgress"/>.</param>
/// <param name="MeanReward">Before the normalisation; null for classes.</param>
/// <param name="MinReward">Likewise.</param>
/// <param name="MaxReward">Likewise.</param>
public sealed record RewardScoring(Estimate Accuracy, double Loss, double Margin, double? MeanReward, double? MinReward, double? MaxReward);

/// <summary>A batch under a head: its loss, and item by item what is logged.</summary>
/// <param name="Loss">A scalar, with gradient.</param>
/// <param name="Right">1, 0 or, of two texts worth the same, 0.5; <c>[batch]</c>, float64.</param>
/// <param name="Margins">See <see cref="RewardHeadProgress.Margin"/>; <c>[batch]</c>, float64.</param>
/// <param name="Values">Rewards or logits, <c>[texts, outputs]</c>, without gradient.</param>
internal sealed record RewardBatch(Tensor Loss, Tensor Right, Tensor Margins, Tensor Values)
{
    /// <summary>Judges a batch; everything is in the caller's scope.</summary>
    /// <param name="values">What the head gave for the texts of the items, in the order of <see cref="RewardData.Texts"/>.</param>
    /// <param name="labels">Indices of classes; null: pairs.</param>
    /// <param name="options">Margin and centring.</param>
    public static RewardBatch Of(Tensor values, int[]? labels, RewardHeadOptions options)
    {
        var still = values.detach();
        if (labels is null)
        {
            var (better, worse) = (values.view(-1, 2).select(1, 0), values.view(-1, 2).select(1, 1));
            var margins = (better - worse).detach().to(ScalarType.Float64);
            return new(RewardLoss.Pairwise(better, worse, options.Margin, options.Centring), (margins.sign() + 1) / 2, margins, still);
        }
        var index = tensor(labels.Select(l => (long)l).ToArray());
        var right = still.gather(1, index.unsqueeze(1)).squeeze(1);
        var others = still.masked_fill(nn.functional.one_hot(index, still.size(1)).to(ScalarType.Bool), double.NegativeInfinity).amax([1L]);
        var ahead = (right - others).to(ScalarType.Float64);
        return new(RewardLoss.Classes(values, index), (ahead.sign() + 1) / 2, ahead, still);
    }
}
