using Parsimony.Models;

namespace Parsimony.FineTuning.Analysis;

/// <summary>Dials in the model's seam. At which tokens they act may be another matter in every batch (<see cref="DialSeam.Positions"/>), so each pass has a tap of its own.</summary>
/// <param name="rows">The examples of the pass, padded on the right to the longest.</param>
/// <returns>The tap, in the caller's scope; null is the plain model.</returns>
public delegate Tap? DialTap(IReadOnlyList<SftExample> rows);
