using System.ComponentModel;
using System.Text.RegularExpressions;
using Xunit;

namespace Parsimony.Tests;

/// <summary>What the code promises about its own shape.</summary>
public sealed partial class HouseRuleTests
{
    /// <summary>The stages in the order the data flows; a stage uses only itself and earlier ones.</summary>
    private static readonly string[] Stages =
    [
        "Native", "Files", "Text", "Tokens", "Models", "Activations", "Autoencoders", "Training", "Splicing", "Evaluation", "FineTuning",
        "Exploration", "Reporting",
    ];

    private static readonly string Library = Path.Combine(Shared.RepositoryRoot(), "src", "Parsimony");

    [Fact]
    public void Every_folder_of_the_library_is_a_stage() =>
        Assert.Empty(Directory.GetDirectories(Library).Select(Path.GetFileName).Except(Stages));

    [Fact]
    public void A_stage_never_uses_a_later_one()
    {
        var broken = from file in Sources(Library)
                     let stage = Array.IndexOf(Stages, Path.GetRelativePath(Library, file).Split(Path.DirectorySeparatorChar)[0])
                     from Match use in UsedStage().Matches(File.ReadAllText(file))
                     where Array.IndexOf(Stages, use.Groups[1].Value) > stage
                     select $"{Path.GetRelativePath(Library, file)}: {use.Value}";
        Assert.Empty(broken);
    }

    [Fact]
    public void Namespace_is_folder()
    {
        var broken = from file in Sources(Library)
                     let folder = Path.GetRelativePath(Library, Path.GetDirectoryName(file)!).Replace(Path.DirectorySeparatorChar, '.')
                     where !File.ReadAllText(file).Contains($"namespace Parsimony.{folder};", StringComparison.Ordinal)
                     select Path.GetRelativePath(Library, file);
        Assert.Empty(broken);
    }

    [Fact]
    public void No_file_is_longer_than_300_lines()
    {
        var longOnes = from root in (string[])["src", "tests", "tools"]
                       from file in Sources(Path.Combine(Shared.RepositoryRoot(), root))
                       let lines = File.ReadLines(file).Count()
                       where lines > 300
                       select $"{Path.GetFileName(file)}: {lines} lines";
        Assert.Empty(longOnes);
    }

    [Fact]
    public void Public_types_of_the_library_are_sealed_static_or_interfaces()
    {
        var open = from type in typeof(Parsimony.Models.Transformer).Assembly.GetExportedTypes()
                   where type.IsClass && !type.IsSealed && !typeof(Exception).IsAssignableFrom(type)
                   select type.FullName;
        Assert.Empty(open);
    }

    [Fact]
    public void Every_option_of_the_library_says_what_it_is()
    {
        var silent = from type in typeof(Parsimony.Models.Transformer).Assembly.GetExportedTypes()
                     where type.Name.EndsWith("Options", StringComparison.Ordinal)
                     from property in type.GetProperties()
                     where property.CanWrite && !property.IsDefined(typeof(DescriptionAttribute), inherit: false)
                     select $"{type.Name}.{property.Name}";
        Assert.Empty(silent);
    }

    private static IEnumerable<string> Sources(string root) => Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories);

    [GeneratedRegex(@"^using (?:static )?Parsimony\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex UsedStage();
}
