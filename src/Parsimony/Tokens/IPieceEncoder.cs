namespace Parsimony.Tokens;

/// <summary>One way of turning normalised text without added tokens into ids.</summary>
internal interface IPieceEncoder
{
    /// <summary>Appends the ids of a text.</summary>
    /// <param name="text">Not empty, without lone surrogates.</param>
    /// <param name="startsPart">Whether it begins the document or follows an added token.</param>
    /// <param name="startsText">Whether it begins the document.</param>
    /// <param name="ids">Where the ids go.</param>
    void Encode(ReadOnlySpan<char> text, bool startsPart, bool startsText, List<int> ids);

    /// <summary>The bytes a vocabulary entry stands for.</summary>
    byte[] Bytes(string entry);
}
