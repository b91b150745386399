using System.CommandLine;

namespace Parsimony.Tools.Corpus;

/// <summary>The flags that say where the books and the tokenizer are, the same in every command.</summary>
internal static class BookOptions
{
    public static Option<string> Data() => new("--data")
    {
        Description = "folder with books.tar.gz",
        DefaultValueFactory = _ => Path.Combine("..", "shared", "data", "children-pd"),
    };

    public static Option<string> Model() => new("--model")
    {
        Description = "model folder",
        DefaultValueFactory = _ => Path.Combine("assets", "demo"),
    };

    public static Option<string> Tokenizer() => new("--tokenizer")
    {
        Description = "the tokenizer.json",
        DefaultValueFactory = _ => Path.Combine("assets", "demo", "tokenizer.json"),
    };

    public static Option<int> Threads() => new("--threads") { Description = "libtorch's threads; 0: all cores", DefaultValueFactory = _ => 0 };

    /// <summary>An option with a default that shows in --help.</summary>
    public static Option<T> Number<T>(string name, T value, string description) where T : struct =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
