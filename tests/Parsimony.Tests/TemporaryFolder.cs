namespace Parsimony.Tests;

/// <summary>An empty folder that is gone at the end of the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    /// <summary>Where it is.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("parsimony-").FullName;

    /// <summary>The path of a file in it.</summary>
    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Removes the folder with all that is in it.</summary>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
