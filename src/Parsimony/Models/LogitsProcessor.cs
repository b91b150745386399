using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Changes the logits that the next token of each sequence is drawn from, such as by forbidding some.</summary>
/// <param name="logits">The model's, <c>[rows, d_vocab]</c>; not to be changed.</param>
/// <param name="prompts">What each row began with.</param>
/// <param name="continuations">What each row has gone on with so far; of a row that has ended, all it will.</param>
/// <returns><paramref name="logits"/> itself or its replacement, of the same shape; minus infinity is never drawn.</returns>
public delegate Tensor LogitsProcessor(Tensor logits, IReadOnlyList<int[]> prompts, IReadOnlyList<IReadOnlyList<int>> continuations);
