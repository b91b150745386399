namespace Parsimony.Evaluation;

/// <summary>How far an evaluation has come.</summary>
/// <param name="Stage">What is being measured now: <c>activations</c>, <c>losses</c> or <c>layers</c>.</param>
/// <param name="TokensDone">Tokens of this stage that are done.</param>
/// <param name="TokensTotal">Tokens of this stage.</param>
public sealed record EvaluationProgress(string Stage, long TokensDone, long TokensTotal);
