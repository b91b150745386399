namespace Parsimony.Text;

/// <summary>Documents in, strings out, without ever holding a whole file.</summary>
public static class Documents
{
    /// <summary>
    /// Streams the documents of a text in order, each as one or more pieces. The text is kept as in the file, line ends included;
    /// a byte-order mark is dropped, what is not valid UTF-8 becomes U+FFFD, and empty documents are left out.
    /// </summary>
    /// <param name="path">A file, a folder or a pattern of files, as <see cref="Corpus.Open"/> takes it.</param>
    /// <param name="options">How documents are told apart, which are read and in which order; null is the default.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">The name ends in something else, or the options are wrong.</exception>
    /// <exception cref="InvalidDataException">While reading: a broken line or archive; the message names file and line.</exception>
    public static IEnumerable<TextPiece> Read(string path, TextOptions? options = null) => Corpus.Open(path, options).Read().Pieces();
}
