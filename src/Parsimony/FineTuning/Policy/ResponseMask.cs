using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>Masks over the sampled tokens of a batch, <c>[batch, seq]</c>, Bool, whose column 0 is the first token after the prompt.</summary>
public static class ResponseMask
{
    /// <summary>True for the first n tokens of each row.</summary>
    /// <param name="lengths">n, end of text included where it was sampled, <c>[batch]</c>, Int64.</param>
    /// <param name="width">Length of the padded rows.</param>
    public static Tensor Of(Tensor lengths, long width)
    {
        using var scope = NewDisposeScope();
        return arange(width, ScalarType.Int64, lengths.device).unsqueeze(0).lt(lengths.unsqueeze(1)).MoveToOuterDisposeScope();
    }

    /// <summary>One more position after each row's last, where there is room: the slot in which TRL from 0.12 on puts the score.</summary>
    public static Tensor WithSlotAfter(Tensor mask)
    {
        using var scope = NewDisposeScope();
        var before = cat([zeros_like(mask.narrow(1, 0, 1)), mask.narrow(1, 0, mask.size(1) - 1)], 1); // whether the position before is true
        return mask.logical_or(before).MoveToOuterDisposeScope();
    }

    /// <summary>Index of each row's last true position, <c>[batch]</c>, Int64; -1 in a row that has none.</summary>
    public static Tensor LastIndex(Tensor mask)
    {
        using var scope = NewDisposeScope();
        var number = arange(1, mask.size(1) + 1, ScalarType.Int64, mask.device);
        return (mask.to(ScalarType.Int64) * number).amax([1L]).sub_(1).MoveToOuterDisposeScope();
    }
}
