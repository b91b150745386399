using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Parsimony.Text;

/// <summary>A side of a text that is split for training and evaluation.</summary>
public enum TextSide
{
    /// <summary>What is learned from.</summary>
    Training,
    /// <summary>What is measured on, and never learned from.</summary>
    HeldOut,
}

/// <summary>
/// One side of a text, split by whole documents. A document's side follows from its own content and the fraction alone: it stays where it is when others
/// are added, removed or put in another order, its copies go with it, and a larger fraction holds out the same documents and more.
/// </summary>
/// <remarks>The first 8 bytes of the SHA-256 of the document's UTF-8, white space at both ends left off, as a big-endian number, are below
/// fraction · 2^64. Of a document of more than one <see cref="TextPiece"/> (1 Mi characters) the first piece decides, so that it can be streamed.</remarks>
/// <param name="HeldOutFraction">Expected share of the documents that are held out, above 0 and below 1.</param>
/// <param name="Side">Which side this is.</param>
public sealed record TextSplit(double HeldOutFraction, TextSide Side)
{
    /// <summary>Whether text can be split so: above 0 and below 1.</summary>
    public static bool IsPossible(double heldOutFraction) => heldOutFraction is > 0 and < 1;

    /// <summary>The fraction for people, such as <c>5 %</c>.</summary>
    public string Percent => HeldOutFraction.ToString("0.#### %", CultureInfo.InvariantCulture);

    /// <summary>Lets the documents of this side pass, whole and in their order.</summary>
    /// <param name="pieces">Documents in pieces, as <see cref="Documents.Read"/> gives them.</param>
    /// <exception cref="ArgumentException">The fraction is out of its range.</exception>
    public IEnumerable<TextPiece> Of(IEnumerable<TextPiece> pieces)
    {
        if (!IsPossible(HeldOutFraction)) throw new ArgumentException($"held_out_fraction is {HeldOutFraction}; it must be above 0 and below 1.");
        return Passed();

        IEnumerable<TextPiece> Passed()
        {
            bool startsDocument = true, passes = false;
            foreach (var piece in pieces)
            {
                if (startsDocument) passes = IsHeldOut(piece.Text) == (Side == TextSide.HeldOut);
                startsDocument = piece.EndsDocument;
                if (passes) yield return piece;
            }
        }
    }

    private bool IsHeldOut(string firstPiece) =>
        BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(firstPiece.Trim()))) < HeldOutFraction * Math.ScaleB(1, 64);
}
