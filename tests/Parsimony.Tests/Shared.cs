using TorchSharp;
using Xunit;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(Parsimony.Tests.OneTorchThread))]

namespace Parsimony.Tests;

/// <summary>Finds the fixtures and data that live beside the repository, in <c>../shared</c>.</summary>
internal static class Shared
{
    private static readonly string Root = System.IO.Path.Combine(RepositoryRoot(), "..", "shared");

    /// <summary>The full path of a file or folder under ../shared. Absent: a failure under CI, elsewhere the test is skipped.</summary>
    public static string Path(string relative)
    {
        string path = System.IO.Path.GetFullPath(System.IO.Path.Combine(Root, relative));
        if (File.Exists(path) || Directory.Exists(path)) return path;
        string reason = $"../shared/{relative} is not beside this checkout; only the repository's own fixtures are tested";
        Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") is { Length: > 0 }, reason);
        throw new FileNotFoundException(reason);
    }

    /// <summary>The folder that holds Parsimony.slnx.</summary>
    public static string RepositoryRoot()
    {
        for (var d = new DirectoryInfo(AppContext.BaseDirectory); d is not null; d = d.Parent)
            if (File.Exists(System.IO.Path.Combine(d.FullName, "Parsimony.slnx"))) return d.FullName;
        throw new DirectoryNotFoundException("the tests must run from within the repository");
    }
}

/// <summary>One libtorch thread: results do not depend on the machine, and test hosts do not fight for cores.</summary>
public sealed class OneTorchThread
{
    /// <summary>Runs once, before the first test.</summary>
    public OneTorchThread() => torch.set_num_threads(1);
}
