namespace Parsimony.FineTuning;

/// <summary>What fine-tuning gave. Losses are nats per target token, weighed over all held-out targets alike; NaN without held-out examples.</summary>
public sealed record SftResult
{
    /// <summary>Held-out loss of the plain model.</summary>
    public required double HeldOutPlain { get; init; }

    /// <summary>Held-out loss with the adapter at rest; for dials in delta mode the plain model's, in replace mode that of the model with the SAE spliced in.</summary>
    public required double HeldOutBefore { get; init; }

    /// <summary>Held-out loss with what was learnt. Labels are true ones even after a null run.</summary>
    public required double HeldOutAfter { get; init; }

    /// <summary>Tokens in all batches, prompts included, padding not.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>Wall-clock seconds of training in this process, held-out measurements included.</summary>
    public required double Seconds { get; init; }

    /// <summary>How many numbers were learnt: of dials, c and d of each latent that was allowed to move.</summary>
    public required long TrainableParameters { get; init; }
}
