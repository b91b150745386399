using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Parsimony.Tokens;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>What a reward model learns from: pairs of a better and a worse text, or texts with a label each.</summary>
public sealed record RewardData
{
    /// <summary>The texts. Of pairs the better one of pair i is at 2 i, the worse one at 2 i + 1.</summary>
    public required IReadOnlyList<JudgedText> Texts { get; init; }

    /// <summary>For each text the index of its class; null: these are pairs.</summary>
    public IReadOnlyList<int>? Labels { get; init; }

    /// <summary>The names of the classes; none: these are pairs.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>The most tokens that a text may have.</summary>
    public required int SequenceLength { get; init; }

    /// <summary>What was left out and cut, a sentence for people; null: nothing was.</summary>
    public string? Warning { get; init; }

    /// <summary>Pairs, or texts with a label.</summary>
    public int Count => Texts.Count / TextsOfOne;

    /// <summary>Whether these are pairs.</summary>
    public bool IsPairs => Labels is null;

    /// <summary>Reads a file of pairs, as <see cref="PreferencePairs.Load"/> takes them, or of texts with a label; the first row tells which. A row with a label is
    /// <c>{"text", "label"}</c>, or instead of the text <c>prompt</c> and <c>completion</c>, or a conversation under <c>messages</c> or <c>conversations</c>
    /// whose last turn is judged. A label is a text, a whole number, true or false.</summary>
    /// <param name="path">JSON lines (.jsonl, also .gz, .zst, .zip) or a .json file that is an array.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">How rows are read.</param>
    /// <param name="classes">The only labels there may be, such as those of the training data; null: whatever there are.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A row is of neither kind (the message names it), none is left, or all have the same label.</exception>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public static RewardData Load(string path, Tokenizer tokenizer, PreferenceOptions? options = null, IReadOnlyList<string>? classes = null)
    {
        options = (options ?? new()).Validated();
        var first = JsonRows.Read(path).Select(row => row.Row?.Clone()).FirstOrDefault();
        if (LabelledRows.IsOne(first)) return LabelledRows.Load(path, tokenizer, options, classes);
        if (JsonRows.Has(first, "chosen") || JsonRows.Has(first, "rejected") || first is null)
        {
            var set = PreferencePairs.Load(path, tokenizer, options);
            return OfPairs(set.Pairs, tokenizer, options.SequenceLength) with { Warning = set.Warning };
        }
        throw new InvalidDataException($"'{path}' has neither pairs nor labels. Each row must have \"chosen\" and \"rejected\", or \"text\" and \"label\".");
    }

    /// <summary>Pairs at hand.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="tokenizer">The tokenizer they are from.</param>
    /// <param name="sequenceLength">The most tokens that a prompt and a continuation may have together.</param>
    public static RewardData OfPairs(IReadOnlyList<PreferencePair> pairs, Tokenizer tokenizer, int sequenceLength)
    {
        return new()
        {
            Texts = [.. pairs.SelectMany(p => (JudgedText[])[Text(p.Prompt, p.Chosen), Text(p.Prompt, p.Rejected)])],
            SequenceLength = sequenceLength,
        };

        JudgedText Text(int[] prompt, int[] continuation) => JudgedText.Of(prompt, continuation, sequenceLength, tokenizer).Text;
    }

    /// <summary>Holds a share out, drawn by the seed. What has the same prompt (without prompts: the same text) stays on one side, where the share allows it.</summary>
    /// <param name="heldOutFraction">0 or more and below 1; above 0 it is at least one and leaves at least one.</param>
    /// <param name="seed">Decides which.</param>
    /// <exception cref="ArgumentException">There is only one, and it cannot be split.</exception>
    public (RewardData Train, RewardData HeldOut) Split(double heldOutFraction, long seed)
    {
        var (train, heldOut) = HoldOut.Split([.. Enumerable.Range(0, Count)], heldOutFraction, seed, Origin);
        return (Only(train), Only(heldOut));
    }

    /// <summary>How often a rule that has learnt nothing is right: of pairs that the longer text is the better one, of labels the most frequent of <paramref name="train"/>.</summary>
    internal double Baseline(RewardData train)
    {
        if (Count == 0) return double.NaN;
        if (IsPairs) return Enumerable.Range(0, Count).Average(i => (1 + Math.Sign(Length(2 * i) - Length(2 * i + 1))) / 2.0);
        int most = train.Labels!.CountBy(l => l).MaxBy(l => (l.Value, -l.Key)).Key;
        return Labels!.Average(l => l == most ? 1.0 : 0);

        int Length(int text) => Texts[text].Tokens.Length - Texts[text].First;
    }

    /// <summary>A hash of all of it.</summary>
    internal string Sha256()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int i = 0; i < Texts.Count; i++)
        {
            hash.AppendData(MemoryMarshal.AsBytes<int>((int[])[Texts[i].Tokens.Length, Texts[i].First, Labels?[i] ?? -1]));
            hash.AppendData(MemoryMarshal.AsBytes<int>(Texts[i].Tokens));
        }
        foreach (string name in Classes) hash.AppendData(System.Text.Encoding.UTF8.GetBytes(name + "\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Texts of a pair, or of one with a label.</summary>
    internal int TextsOfOne => IsPairs ? 2 : 1;

    private string Origin(int i)
    {
        var text = Texts[i * TextsOfOne];
        int[] from = text.HasPrompt ? text.Tokens[..text.First] : [.. Texts.Skip(i * TextsOfOne).Take(TextsOfOne).SelectMany(t => t.Tokens)];
        return Convert.ToBase64String(MemoryMarshal.AsBytes<int>(from));
    }

    private RewardData Only(IReadOnlyList<int> items) => this with
    {
        Texts = [.. items.SelectMany(i => Enumerable.Range(i * TextsOfOne, TextsOfOne)).Select(t => Texts[t])],
        Labels = IsPairs ? null : [.. items.Select(i => Labels![i])],
    };
}
