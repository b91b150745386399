using Parsimony.Evaluation;
using Parsimony.Text;

namespace Parsimony.Cli.Runs;

/// <summary>A text as it is evaluated on.</summary>
/// <param name="Windows">Its tokens under the protocol.</param>
/// <param name="Name">What it is, for people.</param>
/// <param name="Form">The form it is in.</param>
/// <param name="Words">Words of WikiText before anything was done to it; null for other texts, and where not all of it is predicted.</param>
internal sealed record EvaluatedText(EvaluationWindows Windows, string Name, TextForm Form, long? Words);
