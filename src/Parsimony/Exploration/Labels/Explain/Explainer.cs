using Parsimony.Activations;
using Parsimony.Tokens;

namespace Parsimony.Exploration.Labels.Explain;

/// <summary>Labels by a language model that the user named: it is shown the windows that make a label, says what they have in common, and then, of windows it has not seen, where by its label the latent fires.</summary>
public sealed class Explainer : IDisposable
{
    private const int MostWindows = 15, PerSheet = 5, MostPromoted = 8;
    private readonly ExplainerOptions options;
    private readonly Tokenizer tokenizer;
    private readonly ChatEndpoint endpoint;
    private int unreadSheets;

    /// <summary>Prepares; nothing is sent yet.</summary>
    /// <param name="options">The endpoint and its model.</param>
    /// <param name="tokenizer">Of the model whose latents are labelled.</param>
    /// <param name="key">Sent to the endpoint, and nowhere else; null: none.</param>
    /// <exception cref="ArgumentException">No endpoint is named, an option is out of its range, or the key has characters that no key has.</exception>
    public Explainer(ExplainerOptions options, Tokenizer tokenizer, string? key)
    {
        if (!options.Validated().IsNamed) throw new ArgumentException("No endpoint is named. Say which language model is to write labels with --endpoint and --endpoint-model.");
        (this.options, this.tokenizer, endpoint) = (options, tokenizer, new(options, key));
    }

    /// <summary>Latents for which the model gave no label that can be read; they have none.</summary>
    public int UnreadLabels { get; private set; }

    /// <summary>Sheets of windows whose answers could not be read; they are left out of the scores.</summary>
    public int UnreadSheets => unreadSheets;

    /// <summary>Labels a latent and has the label scored.</summary>
    /// <param name="labeller">Knows the latent's windows.</param>
    /// <param name="latent">0 to d_sae - 1.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>The label; null: the latent has no examples, or the answer has no label in it.</returns>
    /// <exception cref="IOException">The endpoint does not answer.</exception>
    /// <exception cref="UnauthorizedAccessException">It refuses the key.</exception>
    /// <exception cref="InvalidDataException">It refuses, or answers as no such service does.</exception>
    public AutomaticLabel? Explain(Labeller labeller, int latent, CancellationToken cancellation = default) => ExplainAsync(labeller, latent, cancellation).GetAwaiter().GetResult();

    /// <inheritdoc/>
    public void Dispose() => endpoint.Dispose();

    private async Task<AutomaticLabel?> ExplainAsync(Labeller labeller, int latent, CancellationToken cancellation)
    {
        var (card, examples) = (labeller.Card(latent), labeller.Examples(latent));
        if (examples.Making.Count == 0) return null;
        var shown = examples.Making.OrderByDescending(e => e.Tokens[e.PeakIndex].Activation).Take(MostWindows).ToList();
        int[] promoted = [.. (card.Raised.Length > 0 && examples.IsEffectOurs ? card.Raised : card.Promoted).Take(MostPromoted).Select(t => t.Id)];
        string answer = await endpoint.Ask(ExplainerPrompts.Explain(shown, card.MaxActivation, promoted, tokenizer), cancellation);
        if (ExplainerPrompts.Label(answer) is not { } label)
        {
            UnreadLabels++;
            return null;
        }
        label = Labeller.Cut(label);
        var windows = options.EndpointScores ? labeller.Windows(latent) : null;
        return new()
        {
            Latent = latent,
            Method = LabelMethod.Explainer,
            Text = label,
            Scores = windows is null ? null : await Score(label, windows, labeller.PeakToken(latent, windows)!, cancellation),
            Model = options.EndpointModel,
            Made = DateTimeOffset.Now,
        };
    }

    private async Task<LabelScores?> Score(string label, ScoringWindows windows, PredictorScore peakToken, CancellationToken cancellation)
    {
        var detected = Sheets(windows.Windows, w => ExplainerPrompts.Detect(label, w, tokenizer), w => w.Fires, cancellation);
        var fuzzed = Sheets(windows.Marks, m => ExplainerPrompts.Fuzz(label, m, tokenizer), m => m.IsRight, cancellation);
        await Task.WhenAll(detected, fuzzed);
        var (detection, fuzzing) = (BinaryScore.Of(await detected), BinaryScore.Of(await fuzzed));
        return double.IsNaN(detection.BalancedAccuracy + fuzzing.BalancedAccuracy) ? null : new(new(detection, fuzzing, null, null), peakToken, null);
    }

    // In an order that gives nothing away, five at a time.
    private async Task<IEnumerable<(bool Truth, bool Answer)>> Sheets<T>(IReadOnlyList<T> items, Func<T[], PromptMessage[]> ask, Func<T, bool> truth, CancellationToken cancellation)
    {
        var shuffled = items.Select((item, i) => (item, Key: SplitMix64.Next((ulong)i))).OrderBy(p => p.Key).Select(p => p.item);
        var sheets = await Task.WhenAll(shuffled.Chunk(PerSheet).Select(async sheet => (sheet, Said: ExplainerPrompts.Answers(await endpoint.Ask(ask(sheet), cancellation), sheet.Length))));
        Interlocked.Add(ref unreadSheets, sheets.Count(s => s.Said is null));
        return sheets.Where(s => s.Said is not null).SelectMany(s => s.sheet.Select((item, i) => (truth(item), s.Said![i])));
    }
}
