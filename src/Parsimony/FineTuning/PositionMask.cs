using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Positions of a prompt with its response.</summary>
public enum TokenPositions
{
    /// <summary>Both.</summary>
    All,

    /// <summary>The prompt's tokens.</summary>
    Prompt,

    /// <summary>The response's tokens, its end of text included.</summary>
    Response,
}

/// <summary>Where a row's tokens lie between its padding, which may be on either side.</summary>
/// <param name="Start">Index of the first token, 0 or more.</param>
/// <param name="Response">Index of the response's first token, <paramref name="Start"/> or more.</param>
/// <param name="End">Index after the last token, <paramref name="Response"/> or more.</param>
public readonly record struct RowSpan(int Start, int Response, int End);

/// <summary>Masks of a padded batch by position, never by token id: end of text and padding are often the same id.</summary>
public static class PositionMask
{
    /// <summary>True at the wanted positions of each row, false elsewhere and under the padding.</summary>
    /// <param name="positions">Which.</param>
    /// <param name="rows">One a row of the batch, 1 or more.</param>
    /// <param name="width">Length of the padded rows.</param>
    /// <returns>Bool, <c>[batch, seq]</c>. Of a <see cref="TokenPositions.Response"/> mask, columns 1 and on are the positions whose token is
    /// predicted by the column before: <c>mask.narrow(1, 1, width - 1)</c> fits log-probabilities <c>[batch, seq - 1]</c>.</returns>
    /// <exception cref="ArgumentException">There is no row, or one does not lie in the width.</exception>
    public static Tensor Of(TokenPositions positions, IReadOnlyList<RowSpan> rows, int width)
    {
        if (rows.Count == 0) throw new ArgumentException("there is no row; expected 1 or more.", nameof(rows));
        var mask = new bool[rows.Count, width];
        for (int row = 0; row < rows.Count; row++)
        {
            var (start, response, end) = rows[row];
            if (start < 0 || response < start || end < response || end > width) throw new ArgumentException(
                $"row {row} spans {start}, {response}, {end}; expected 0 <= start <= response <= end <= {width}.", nameof(rows));
            var (from, to) = positions switch
            {
                TokenPositions.Prompt => (start, response),
                TokenPositions.Response => (response, end),
                _ => (start, end),
            };
            for (int t = from; t < to; t++) mask[row, t] = true;
        }
        return tensor(mask);
    }
}
