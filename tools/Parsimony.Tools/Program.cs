using System.CommandLine;
using System.Globalization;
using Parsimony.Tools.Arithmetic;
using Parsimony.Tools.LanguageModel;
using Parsimony.Tools.RandomModels;
using Parsimony.Tools.Sampling;
using Parsimony.Tools.Tokenizers;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

var root = new RootCommand("How the bundled tokenizer, language model and corpus in assets/demo were made, and models of any size with random weights (docs/tools.md).")
{
    TokenizerCommand.Make(), TrainLmCommand.Make(), EvaluateLmCommand.Make(), SampleCorpusCommand.Make(), RandomModelCommand.Make(), ArithmeticCommand.Make(),
};
try
{
    return root.Parse(args).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException e)
{
    Console.Error.WriteLine(e.Message);
    return 130;
}
catch (Exception e) when (e is IOException or InvalidDataException or ArgumentException or InvalidOperationException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
