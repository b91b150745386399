using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Parsimony.Tokens;

/// <summary>
/// Text to token ids and back: byte-level BPE as of GPT-2, GPT-NeoX and Pythia, from their <c>tokenizer.json</c>. The ids are
/// those of the reference library without added beginning or end tokens. One instance may be used by many threads.
/// </summary>
/// <remarks>The post-processor, truncation and padding of the file are not applied: they only dress a finished text.</remarks>
public sealed class Tokenizer
{
    private readonly byte[]?[] _bytes;
    private readonly AddedTokens _raw, _normalised;
    private readonly bool _nfc, _addPrefixSpace;
    private readonly BpeTokenizer _bpe;

    private Tokenizer(TokenizerFile file, string sha256, string source)
    {
        (_nfc, _addPrefixSpace, Sha256) = (file.Nfc, file.AddPrefixSpace, sha256);
        _raw = new AddedTokens(file.Raw);
        _normalised = new AddedTokens(_nfc ? file.Normalised.Select(t => t with { Content = Nfc.Apply(t.Content) }) : file.Normalised);

        AddedToken[] added = [.. file.Raw, .. file.Normalised];
        EndOfTextId = added.FirstOrDefault(t => t.Content == "<|endoftext|>")?.Id;
        _bytes = new byte[file.Vocabulary.Values.Concat(added.Select(t => t.Id)).Max() + 1][];
        foreach (var (entry, id) in file.Vocabulary) Register(id, ByteLevel.Decode(entry));
        foreach (var token in added) Register(token.Id, Encoding.UTF8.GetBytes(token.Content));
        _bpe = BpeTokenizer.Create(new BpeOptions(file.Vocabulary) { Merges = file.Merges, ByteLevel = true, PreTokenizer = new PieceBounds() });

        void Register(int id, byte[] bytes)
        {
            if (_bytes[id] is { } other && !other.AsSpan().SequenceEqual(bytes))
                throw TokenizerFile.Refuse(source, $"gives the id {id} to two tokens, '{Encoding.UTF8.GetString(other)}' and '{Encoding.UTF8.GetString(bytes)}'");
            _bytes[id] = bytes;
        }
    }

    /// <summary>Number of ids: the largest one plus 1. A model may have more rows (Pythia pads 50277 to 50304).</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>The id of <c>&lt;|endoftext|&gt;</c>, null where the tokenizer has none. 0 is a valid id (it is GPT-NeoX's).</summary>
    public int? EndOfTextId { get; }

    /// <summary>SHA-256 of the file, 64 lower-case hexadecimal digits.</summary>
    public string Sha256 { get; }

    /// <summary>Reads a <c>tokenizer.json</c>.</summary>
    /// <param name="path">The file, or a model folder that holds it.</param>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="InvalidDataException">It is broken, or not a byte-level BPE; the message says what is allowed.</exception>
    /// <exception cref="PlatformNotSupportedException">Unicode normalisation is switched off in this process.</exception>
    public static Tokenizer Load(string path)
    {
        if (Directory.Exists(path)) path = Path.Combine(path, "tokenizer.json");
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no file '{path}'. Give a tokenizer.json or a model folder that holds one.", path);
        Nfc.EnsureItWorks();
        byte[] json = File.ReadAllBytes(path);
        return new Tokenizer(TokenizerFile.Parse(json, path), Convert.ToHexStringLower(SHA256.HashData(json)), path);
    }

    /// <summary>The ids of a whole text.</summary>
    public int[] Encode(string text)
    {
        var ids = new List<int>(text.Length / 3 + 4);
        Encode(text, ids);
        return [.. ids];
    }

    /// <summary>Appends the ids of a whole text to <paramref name="ids"/>.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> ids) => Encode(text, ids, startsText: true);

    /// <summary>As above; <paramref name="startsText"/> is false for the later pieces of a text, which get no prefix space.</summary>
    internal void Encode(ReadOnlySpan<char> text, List<int> ids, bool startsText)
    {
        bool startsPart = startsText;
        while (_raw.First(text, out int at) is { } token)
        {
            EncodeBetweenRaw(text[..at], ids, startsPart);
            ids.Add(token.Id);
            text = text[(at + token.Content.Length)..];
            startsPart = true;
        }
        EncodeBetweenRaw(text, ids, startsPart);
    }

    private void EncodeBetweenRaw(ReadOnlySpan<char> text, List<int> ids, bool startsPart)
    {
        // Without normalisation, too, a lone surrogate must become U+FFFD: the library would write it as bytes that are no UTF-8.
        if (!Ascii.IsValid(text)) text = _nfc ? Nfc.Apply(text.ToString()) : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes([.. text]));
        while (_normalised.First(text, out int at) is { } token)
        {
            Merge(text[..at], ids, startsPart);
            ids.Add(token.Id);
            text = text[(at + token.Content.Length)..];
            startsPart = true;
        }
        Merge(text, ids, startsPart);
    }

    private void Merge(ReadOnlySpan<char> text, List<int> ids, bool startsPart)
    {
        if (text.IsEmpty) return;
        ids.AddRange(_bpe.EncodeToIds(_addPrefixSpace && startsPart && text[0] != ' ' ? $" {text}" : text));
    }

    /// <summary>The bytes of a text: the exact inverse of encoding. An id that no token has adds nothing.</summary>
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
