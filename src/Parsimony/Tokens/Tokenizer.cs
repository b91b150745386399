using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Parsimony.Tokens;

/// <summary>
/// Text to token ids and back: byte-level or SentencePiece BPE from a <c>tokenizer.json</c>, or the vocabulary of llama2.c. The ids are
/// those of the reference library without added beginning or end tokens. One instance may be used by many threads.
/// </summary>
/// <remarks>The post-processor, truncation and padding of the file are not applied: they only dress a finished text.</remarks>
public sealed class Tokenizer
{
    private readonly byte[]?[] _bytes;
    private readonly AddedTokens _raw, _normalised;
    private readonly bool _nfc;
    private readonly IPieceEncoder _pieces;

    private Tokenizer(TokenizerFile file, string sha256, string source)
    {
        (_nfc, Sha256, BeginOfTextId, EndOfTextId) = (file.Nfc, sha256, file.BeginOfTextId, file.EndOfTextId);
        _pieces = file.Spaces is { } spaces ? new SentencePieceBpe(file, spaces) : new ByteLevelBpe(file);
        _raw = new AddedTokens(file.Raw);
        _normalised = new AddedTokens(_nfc ? file.Normalised.Select(t => t with { Content = Nfc.Apply(t.Content) }) : file.Normalised);

        AddedToken[] added = [.. file.Raw, .. file.Normalised];
        _bytes = new byte[file.Vocabulary.Values.Concat(added.Select(t => t.Id)).Max() + 1][];
        foreach (var (entry, id) in file.Vocabulary) Register(id, _pieces.Bytes(entry));
        foreach (var token in added) Register(token.Id, Encoding.UTF8.GetBytes(token.Content));

        void Register(int id, byte[] bytes)
        {
            if (_bytes[id] is { } other && !other.AsSpan().SequenceEqual(bytes))
                throw HuggingFaceTokenizer.Refuse(source, $"gives the id {id} to two tokens, '{Encoding.UTF8.GetString(other)}' and '{Encoding.UTF8.GetString(bytes)}'");
            _bytes[id] = bytes;
        }
    }

    /// <summary>Number of ids: the largest one plus 1. A model may have more rows (Pythia pads 50277 to 50304).</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>The id that ends a document (<c>&lt;|endoftext|&gt;</c>, <c>&lt;|end_of_text|&gt;</c> or <c>&lt;/s&gt;</c>), null where the tokenizer
    /// has none. 0 is a valid id (it is GPT-NeoX's).</summary>
    public int? EndOfTextId { get; }

    /// <summary>The id the model expects before a document, null for none; its file's post-processor names it. It may be <see cref="EndOfTextId"/> too (llama2.c).</summary>
    public int? BeginOfTextId { get; }

    /// <summary>The id that a text begins after: <see cref="BeginOfTextId"/>, or where there is none <see cref="EndOfTextId"/>; null where there is neither.</summary>
    public int? StartId => BeginOfTextId ?? EndOfTextId;

    /// <summary>SHA-256 of the file, 64 lower-case hexadecimal digits.</summary>
    public string Sha256 { get; }

    /// <summary>Reads a <c>tokenizer.json</c>, or the <c>tok*.bin</c> of llama2.c.</summary>
    /// <param name="path">The file, or a model folder that holds it.</param>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">It is broken, or of another kind; the message says what is allowed.</exception>
    /// <exception cref="PlatformNotSupportedException">Unicode normalisation is switched off in this process.</exception>
    public static Tokenizer Load(string path)
    {
        string? vocabulary = Llama2cVocabulary.FindIn(path) ?? (path.EndsWith(".bin", StringComparison.Ordinal) ? path : null);
        path = vocabulary ?? (Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no file '{path}'. Give a tokenizer.json or a model folder that holds one.", path);
        Nfc.EnsureItWorks();
        byte[] file = File.ReadAllBytes(path);
        return new Tokenizer(vocabulary is null ? HuggingFaceTokenizer.Parse(file, path) : Llama2cVocabulary.Parse(file, path), Convert.ToHexStringLower(SHA256.HashData(file)), path);
    }

    /// <summary>The ids of a whole text.</summary>
    public int[] Encode(string text)
    {
        var ids = new List<int>(text.Length / 3 + 4);
        Encode(text, ids);
        return [.. ids];
    }

    /// <summary>The ids of a text that begins a document: with <see cref="BeginOfTextId"/> in front, where there is one and the text does not spell it.</summary>
    public int[] EncodeDocument(string text)
    {
        int[] ids = Encode(text);
        return BeginOfTextId is { } begin && (ids.Length == 0 || ids[0] != begin) ? [begin, .. ids] : ids;
    }

    /// <summary>The ids of a text to go on from: those of <see cref="EncodeDocument"/>; of an empty text <see cref="StartId"/>.</summary>
    /// <returns>One id or more.</returns>
    /// <exception cref="ArgumentException">The text is empty and there is nothing to start from.</exception>
    public int[] EncodePrompt(string text) => EncodeDocument(text) is { Length: > 0 } ids ? ids
        : StartId is { } start ? [start] : throw new ArgumentException("the text is empty, and the tokenizer has no beginning or end of text to start from; write something.");

    /// <summary>Appends the ids of a whole text to <paramref name="ids"/>.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> ids) => Encode(text, ids, startsText: true);

    /// <summary>As above; <paramref name="startsText"/> is false for the later pieces of a text, which get no prefix space.</summary>
    internal void Encode(ReadOnlySpan<char> text, List<int> ids, bool startsText)
    {
        bool startsPart = startsText;
        while (_raw.First(text, out int at) is { } token)
        {
            EncodeBetweenRaw(text[..at], ids, startsPart, startsText);
            ids.Add(token.Id);
            text = text[(at + token.Content.Length)..];
            (startsPart, startsText) = (true, false);
        }
        EncodeBetweenRaw(text, ids, startsPart, startsText);
    }

    private void EncodeBetweenRaw(ReadOnlySpan<char> text, List<int> ids, bool startsPart, bool startsText)
    {
        // Without normalisation, too, a lone surrogate must become U+FFFD: it has no bytes in UTF-8.
        if (!Ascii.IsValid(text)) text = _nfc ? Nfc.Apply(text.ToString()) : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes([.. text]));
        while (_normalised.First(text, out int at) is { } token)
        {
            if (at > 0) _pieces.Encode(text[..at], startsPart, startsText, ids);
            ids.Add(token.Id);
            text = text[(at + token.Content.Length)..];
            (startsPart, startsText) = (true, false);
        }
        if (!text.IsEmpty) _pieces.Encode(text, startsPart, startsText, ids);
    }

    /// <summary>The bytes of a text: the inverse of encoding, exact but for a space that the tokenizer put in front. An id that no token has adds nothing.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is negative.</exception>
    public byte[] DecodeBytes(ReadOnlySpan<int> ids)
    {
        var bytes = new List<byte>(ids.Length * 4);
        foreach (int id in ids) bytes.AddRange(Bytes(id));
        return [.. bytes];
    }

    /// <summary>The text of <paramref name="ids"/>; bytes that are no UTF-8 (half a character) become U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is negative.</exception>
    public string Decode(ReadOnlySpan<int> ids) => Encoding.UTF8.GetString(DecodeBytes(ids));

    /// <summary>The bytes one token stands for; none for an id that no token has (a padded row of the model).</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="id"/> is negative.</exception>
    public ReadOnlySpan<byte> Bytes(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        return id < _bytes.Length ? _bytes[id] : [];
    }

    /// <summary>
    /// One token for a table: a space is <c>␣</c>, a newline <c>↵</c>, a tab <c>⇥</c>, another invisible character
    /// <c>&lt;U+00A0&gt;</c>, a part of a character <c>&lt;0xC3&gt;</c>, an id that no token has <c>&lt;id 50290&gt;</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="id"/> is negative.</exception>
    public string Display(int id)
    {
        var rest = Bytes(id);
        if (rest.IsEmpty) return $"<id {id}>";
        var shown = new StringBuilder();
        for (int n; !rest.IsEmpty; rest = rest[n..])
            if (Rune.DecodeFromUtf8(rest, out var rune, out n) == System.Buffers.OperationStatus.Done) shown.Append(Visible(rune));
            else foreach (byte part in rest[..n]) shown.Append(CultureInfo.InvariantCulture, $"<0x{part:X2}>");
        return shown.ToString();
    }

    private static string Visible(Rune rune) => (rune.Value, Rune.GetUnicodeCategory(rune)) switch
    {
        (' ', _) => "␣",
        ('\n', _) => "↵",
        ('\t', _) => "⇥",
        (_, UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned)
            => $"<U+{rune.Value:X4}>",
        _ => rune.ToString(),
    };
}
