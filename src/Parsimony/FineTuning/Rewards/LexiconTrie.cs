namespace Parsimony.FineTuning.Rewards;

/// <summary>The words of a lexicon letter by letter, and the walk that finds them in a text, written plainly or disguised.</summary>
/// <remarks>Disguises: digits and symbols that look like letters, letters repeated, one separator between two letters, a letter replaced by
/// <c>*</c> or <c>#</c>. Of a word's letters at most half (rounded up) may be replaced, and not all of them, nor the first by a mask: 455 is a number.</remarks>
internal sealed class LexiconTrie
{
    private const string Space = " ";
    private readonly Node root = new();
    private readonly bool disguised;

    public LexiconTrie(IEnumerable<LexiconEntry> entries, bool disguised)
    {
        this.disguised = disguised;
        foreach (var entry in entries)
        {
            var letters = FoldedText.Of(entry.Text, disguised);
            var node = root;
            for (int i = 0; i < letters.Count; i++)
            {
                bool isSpace = letters[i].Kind == EdgeKind.Space;
                if (letters[i].Folded.Length == 0 || (isSpace && letters[i - 1].Kind == EdgeKind.Space)) continue;
                node = node.Grow(isSpace ? Space : letters[i].Folded);
            }
            if (node == root) throw new ArgumentException($"the word '{entry.Text}' has nothing in it that can be seen; remove it.", nameof(entries));
            node.Found ??= new Word(entry, letters[0].Kind == EdgeKind.Word, letters[^1].Kind == EdgeKind.Word);
        }
    }

    /// <summary>The words of a text from left to right: the longest at each place, none within another.</summary>
    public List<LexiconHit> Find(string text)
    {
        var hits = new List<LexiconHit>();
        var characters = FoldedText.Of(text, disguised);
        for (int start = 0; start < characters.Count;)
        {
            var walk = new Walk(characters, start, disguised);
            walk.On(start, root, default);
            if (walk.Best is not { } best)
            {
                start++;
                continue;
            }
            int from = characters[start].Start;
            hits.Add(new(from, characters[walk.End - 1].Start + characters[walk.End - 1].Length - from, best.Entry));
            start = walk.End;
        }
        return hits;
    }

    private sealed record Word(LexiconEntry Entry, bool StartsAsWord, bool EndsAsWord);

    private sealed class Node
    {
        public Dictionary<string, Node> Next { get; } = new(StringComparer.Ordinal);

        public Word? Found { get; set; }

        public Node Grow(string letter) => Next.TryGetValue(letter, out var next) ? next : Next[letter] = new Node();
    }

    /// <summary>How a walk came to where it stands.</summary>
    /// <param name="Last">The letter of the word that was taken last; null at the start and after a space.</param>
    /// <param name="Letters">Letters of the word so far.</param>
    /// <param name="Replaced">Of those, the ones that stand there as something else.</param>
    /// <param name="Cost">All disguises so far: the plainer reading is preferred.</param>
    /// <param name="Repeated">Whether the last letter stands there more often than in the word.</param>
    /// <param name="Separated">Whether a separator was just passed.</param>
    private readonly record struct Trail(string? Last, int Letters, int Replaced, int Cost, bool Repeated, bool Separated);

    private sealed class Walk(List<FoldedCharacter> text, int start, bool disguised)
    {
        private int cost;

        public Word? Best { get; private set; }

        public int End { get; private set; }

        public void On(int at, Node node, Trail trail)
        {
            if (node.Found is { } word && !trail.Separated) Offer(word, at, trail);
            if (at == text.Count) return;
            var here = text[at];
            if (node.Next.TryGetValue(Space, out var afterSpace) && !trail.Separated && (here.Kind == EdgeKind.Space || here.Folded == "-"))
            {
                int behind = at + 1;
                while (behind < text.Count && text[behind].Kind == EdgeKind.Space) behind++;
                On(behind, afterSpace, trail with { Last = null, Repeated = false });
            }
            if (here.Kind != EdgeKind.Space) Take(here.Folded, at, node, trail, replaced: false);
            if (disguised) OnDisguised(here, at, node, trail);
        }

        private void OnDisguised(FoldedCharacter here, int at, Node node, Trail trail)
        {
            var lookalikes = Lookalikes(here.Folded);
            foreach (char letter in lookalikes) Take(letter.ToString(), at, node, trail, replaced: true);
            if (trail.Last is not { } last || trail.Separated) return;
            if (here.Folded == last || (last.Length == 1 && lookalikes.Contains(last[0])))
                On(at + 1, node, trail with { Repeated = true, Cost = trail.Cost + 1 });
            if (here.Folded.Length == 0 || here.Folded is "." or "-" or "_" or "*" or "~" or "·")   // not ': he'll
                On(at + 1, node, trail with { Separated = here.Folded.Length > 0, Cost = trail.Cost + 1 });
            if (here.Folded is "*" or "#")
                foreach (string letter in node.Next.Keys.Where(k => k != Space)) Take(letter, at, node, trail, replaced: true);
        }

        private void Take(string letter, int at, Node node, Trail trail, bool replaced)
        {
            // A letter that was repeated is over: "aaa" is read as "aa" in one way only.
            if (!node.Next.TryGetValue(letter, out var next) || (trail.Repeated && letter == trail.Last)) return;
            int more = replaced ? 1 : 0;
            On(at + 1, next, new(letter, trail.Letters + 1, trail.Replaced + more, trail.Cost + more, Repeated: false, Separated: false));
        }

        private void Offer(Word word, int end, Trail trail)
        {
            bool cutsStart = word.StartsAsWord && start > 0 && text[start - 1].Kind == EdgeKind.Word;
            bool cutsEnd = word.EndsAsWord && end < text.Count && text[end].Kind == EdgeKind.Word;
            if (cutsStart || cutsEnd || trail.Replaced * 2 > trail.Letters + 1 || trail.Replaced == trail.Letters) return;
            if (Best is not null && (end < End || (end == End && trail.Cost >= cost))) return;
            (Best, End, cost) = (word, end, trail.Cost);
        }

        private static string Lookalikes(string symbol) => symbol switch
        {
            "0" => "o",
            "1" or "!" or "|" => "il",
            "3" or "€" => "e",
            "4" or "@" => "a",
            "5" or "$" => "s",
            "7" or "+" => "t",
            "8" => "b",
            "9" => "g",
            _ => "",
        };
    }
}
