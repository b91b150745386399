using System.Text.RegularExpressions;

namespace Parsimony.Text;

/// <summary>A text of one or many files, and how it is read.</summary>
public sealed class Corpus
{
    private Corpus(string path, IReadOnlyList<string> files, TextOptions options) => (Path, Files, Options) = (path, files, options);

    /// <summary>As it was named.</summary>
    public string Path { get; }

    /// <summary>Its files, in the order in which they are read: by name, '/' between folders, ordinal.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>How it is read.</summary>
    public TextOptions Options { get; }

    /// <summary>Bytes of its files as they lie on the disk.</summary>
    public long Bytes => Files.Sum(f => Math.Max(0, new FileInfo(File.ResolveLinkTarget(f, returnFinalTarget: true)?.FullName ?? f).Length));

    /// <summary>Finds the files; nothing is read yet.</summary>
    /// <param name="path">A text file; a folder, of which all text files are taken, those in its folders too; or a pattern such as
    /// <c>data/**/*.jsonl.gz</c>, where <c>*</c> and <c>?</c> stay in one folder and <c>**</c> is any number of them.</param>
    /// <param name="options">How it is read; null is the default.</param>
    /// <exception cref="FileNotFoundException">There is no such file, or no text file in the folder or of the pattern.</exception>
    /// <exception cref="ArgumentException">The file's name is not that of a text, or the options are wrong.</exception>
    public static Corpus Open(string path, TextOptions? options = null)
    {
        options = (options ?? new TextOptions()).Validated();
        if (File.Exists(path)) return TextFile.IsText(path) ? new(path, [path], options) : throw new ArgumentException(
            $"'{path}' is not a kind of text file this reads. Allowed are {TextFile.Kinds}; convert or rename it.");
        if (Directory.Exists(path)) return new(path, Found(path, path, _ => true, "in that folder"), options);
        if (!path.AsSpan().ContainsAny('*', '?'))
            throw new FileNotFoundException($"There is no file or folder '{path}'. Give a text: {TextFile.Kinds}, or a folder or a pattern of such.", path);

        string fixedPart = path[..(path.AsSpan().IndexOfAny('*', '?'))];
        int slash = fixedPart.LastIndexOfAny([System.IO.Path.DirectorySeparatorChar, '/']);
        string root = slash < 0 ? "." : fixedPart[..(slash + 1)];
        if (!Directory.Exists(root)) throw new FileNotFoundException($"There is no folder '{root}' for the pattern '{path}'.", path);
        var pattern = Pattern(path[(slash + 1)..]);
        return new(path, Found(root, path, pattern.IsMatch, "of that pattern"), options);
    }

    /// <summary>Begins to read it.</summary>
    /// <param name="from">Where; the default is the beginning.</param>
    public CorpusReader Read(CorpusPosition from = default) => new(this, from);

    private static List<string> Found(string root, string path, Func<string, bool> matches, string where)
    {
        List<string> files = [.. from file in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
                                 let name = System.IO.Path.GetRelativePath(root, file).Replace(System.IO.Path.DirectorySeparatorChar, '/')
                                 where TextFile.IsText(file) && matches(name)
                                 select file];
        files.Sort((a, b) => string.CompareOrdinal(a.Replace(System.IO.Path.DirectorySeparatorChar, '/'), b.Replace(System.IO.Path.DirectorySeparatorChar, '/')));
        return files.Count > 0 ? files : throw new FileNotFoundException($"'{path}': there is no text file {where}. Allowed are {TextFile.Kinds}.", path);
    }

    /// <summary>A pattern of file names as a regular expression.</summary>
    internal static Regex Pattern(string glob) => new("^" + Regex.Escape(glob.Replace(System.IO.Path.DirectorySeparatorChar, '/'))
        .Replace(@"\*\*/", "(?:.*/)?").Replace(@"\*\*", ".*").Replace(@"\*", "[^/]*").Replace(@"\?", "[^/]") + "$", RegexOptions.CultureInvariant);
}
