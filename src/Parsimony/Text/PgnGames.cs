using System.Text;

namespace Parsimony.Text;

/// <summary>
/// Chess games in Portable Game Notation, one game a document: its moves, comments and result on one line as in the file, without the tag pairs.
/// A game ends at the next one's tags, or with a line that ends in a result.
/// </summary>
internal static class PgnGames
{
    private const int LongestGame = 1 << 24;
    private static readonly string[] Results = ["1-0", "0-1", "1/2-1/2", "*"];

    public static IEnumerable<TextRecord> Read(Func<TextReader> open, string path, BadRecords bad, long from)
    {
        using var reader = open();
        var moves = new StringBuilder();
        long game = 0, number = 1;
        bool inComment = false, isBroken = false;
        foreach (string line in TextLines.Whole(reader, path, LongestGame))
        {
            string text = line.Trim();
            bool isTag = !inComment && text.StartsWith('[');
            if (isTag && moves.Length > 0)
            {
                foreach (var piece in End()) yield return new(piece, game);
                game++;
            }
            if (isTag)
            {
                if (!text.EndsWith(']')) Broken($"the tag '{text[..Math.Min(40, text.Length)]}' has no ']'");
            }
            else if (text.Length > 0 && !line.StartsWith('%')) // a line with % in front is for programs
            {
                if (moves.Length + text.Length > LongestGame) throw Refuse($"a game is longer than {LongestGame} characters");
                moves.Append(moves.Length > 0 ? " " : "").Append(text);
                inComment = text.LastIndexOf('{') is var opens && text.LastIndexOf('}') is var closes && (opens > closes || inComment && closes < 0);
                if (!inComment && Results.Contains(text[(text.LastIndexOf(' ') + 1)..]))
                {
                    foreach (var piece in End()) yield return new(piece, game);
                    game++;
                }
            }
            number++;
        }
        foreach (var piece in End()) yield return new(piece, game);

        IEnumerable<TextPiece> End()
        {
            string text = isBroken || game < from ? "" : moves.ToString();
            moves.Clear();
            isBroken = inComment = false;
            return TextPiece.Of(text);
        }

        void Broken(string fault)
        {
            if (game >= from) bad.Add(Refuse(fault));
            isBroken = true;
        }

        InvalidDataException Refuse(string fault) => new(
            $"'{path}', line {number}: {fault}. A game is lines [Name \"value\"] and then its moves and result; correct it, or pass over broken games with --skip-bad.");
    }
}
