namespace Parsimony.Tools.LanguageModel;

/// <summary>What a training run of the language model needs to know.</summary>
public sealed record LmTrainingOptions
{
    /// <summary>Where checkpoint, log and model go.</summary>
    public required string RunFolder { get; init; }
    /// <summary>The tokenizer.json that is copied into the model folder.</summary>
    public required string Tokenizer { get; init; }
    /// <summary>The learning rate's course; its end is the run's end.</summary>
    public required WarmStayDecay Schedule { get; init; }
    /// <summary>Windows a step; default 16.</summary>
    public int BatchSize { get; init; } = 16;
    /// <summary>Predictions a window; default 256.</summary>
    public int SequenceLength { get; init; } = 256;
    /// <summary>Steps between two checkpoints; default 200.</summary>
    public int CheckpointEverySteps { get; init; } = 200;
    /// <summary>Steps between two held-out estimates; default 250.</summary>
    public int EvaluateEverySteps { get; init; } = 250;
    /// <summary>A held-out estimate takes one window of so many; default 4.</summary>
    public int EvaluateEveryWindow { get; init; } = 4;
    /// <summary>Steps between two log lines; default 10.</summary>
    public int LogEverySteps { get; init; } = 10;
    /// <summary>Seed of the first weights and of the order of the windows; default 0.</summary>
    public long Seed { get; init; }
    /// <summary>Learning rates and decay.</summary>
    public LmOptimizerOptions Optimizer { get; init; } = new();
}
