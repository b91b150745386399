using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>A tiny run in a folder of its own: an SAE of 48 latents at <c>blocks.1.mlp_out</c> of a model whose tokenizer has a token for each byte.</summary>
internal sealed class SomeRun : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public SomeRun()
    {
        (Text, Folder) = (File("text.txt"), File("run"));
        Model = SomeFolder.Model(File("model"));
        System.IO.File.WriteAllText(Text, string.Concat(Enumerable.Range(0, 150).Select(i => $"Le {i}e \u00e9t\u00e9, \u6f22\U0001F9A6 et <b>.\n")));
        Json("train", "--model", Model, "--text", Text, "--out", Folder, "--sequence-length", "32", "--d-sae", "48", "--training-tokens", "2048", "--batch-tokens", "128", "--json");
    }

    /// <summary>The model's folder.</summary>
    public string Model { get; }

    /// <summary>The text it was trained on.</summary>
    public string Text { get; }

    /// <summary>The run folder.</summary>
    public string Folder { get; }

    /// <summary>A place beside it.</summary>
    public string File(string name) => folder.File(name);

    public void Dispose() => folder.Dispose();
}
