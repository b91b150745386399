using Parsimony.Autoencoders;
using Parsimony.Autoencoders.Formats;
using Parsimony.Cli.Commands;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Reporting;

namespace Parsimony.Cli.Runs;

/// <summary>An SAE folder, or the one in a run folder, opened together with its model and checked against it.</summary>
internal sealed class LoadedSae : IDisposable
{
    private LoadedSae(LoadedModel model, ISparseAutoencoder sae, SaeMetadata metadata, string folder, bool ownsModel) =>
        (Model, Sae, Metadata, Folder, this.ownsModel) = (model, sae, metadata, folder, ownsModel);

    private readonly bool ownsModel;
    private string? sha256;

    public LoadedModel Model { get; }

    public ISparseAutoencoder Sae { get; }

    public SaeMetadata Metadata { get; }

    public string Folder { get; }

    /// <summary>SHA-256 of the weights file, read once.</summary>
    public string Sha256 => sha256 ??= SaeFiles.Sha256(Folder);

    public HookPoint At => Metadata.Hook;

    /// <summary>Opens what a command names. Where nothing else is asked for, the model's weights are kept as they were when the SAE was trained.</summary>
    /// <param name="path">An SAE in a file or folder of any format, or a run folder that holds one.</param>
    /// <param name="model">A model folder; null: the one the run folder was trained on, else the bundled one.</param>
    /// <param name="hook">Demanded hook point, or the SAE's where its file does not say it; null: the SAE's own.</param>
    /// <param name="takesTranscoders">Whether the command can put one into its model; one that takes only autoencoders refuses it by name.</param>
    /// <param name="device">Where the model runs, and with it the SAE.</param>
    /// <param name="load">How the model's weights are kept; null: the default.</param>
    /// <param name="adapter">The adapter that the model is tuned by; null: the one it was tuned by when the SAE was trained, if any.</param>
    public static LoadedSae Open(string path, string? model, HookPoint? hook, bool takesTranscoders = false, string device = TorchDevice.Cpu, WeightOptions? load = null, string? adapter = null)
    {
        string? run = RunFolder.Contains(path) ? path : RunFolder.OfSae(path);
        string? trainedOn = run is null ? null : RunFolder.Existing(run).Recall<TrainOptions>("train")?.Model;
        load ??= new();
        _ = TorchDevice.Of(device); // said before anything is read
        return Open(path, hook, takesTranscoders, ownsModel: true,
            metadata => Tuned(LoadedModel.Open(model ?? trainedOn, device, load with { Weights = load.Weights ?? metadata.ModelWeights }), metadata, adapter, path), anyAdapter: adapter is not null);
    }

    /// <summary>Opens an SAE for a model that is open already and stays the caller's.</summary>
    public static LoadedSae Open(string path, LoadedModel model) => Open(path, model, null, takesTranscoders: false);

    /// <summary>The same, with a hook point and transcoders as above.</summary>
    /// <param name="path">As above.</param>
    /// <param name="model">The model.</param>
    /// <param name="hook">As above.</param>
    /// <param name="takesTranscoders">As above.</param>
    /// <param name="anyAdapter">Whether the model may be tuned otherwise than it was when the SAE was trained.</param>
    public static LoadedSae Open(string path, LoadedModel model, HookPoint? hook, bool takesTranscoders, bool anyAdapter = false) =>
        Open(path, hook, takesTranscoders, ownsModel: false, _ => model, anyAdapter);

    private static string Tuning(string? adapter) => adapter is null ? "the model as it is" : $"the model tuned by the adapter {adapter[..Math.Min(12, adapter.Length)]}";

    private static LoadedModel Tuned(LoadedModel model, SaeMetadata metadata, string? adapter, string path)
    {
        try
        {
            if (adapter is not null) return model.Attach(adapter);
            if (metadata.AdapterSha256 is not { } sha256) return model;
            return metadata.AdapterFolder is { } folder && Parsimony.FineTuning.AdapterFolder.IsOne(folder) ? model.Attach(folder, sha256) : throw new FileNotFoundException(
                $"the SAE '{path}' was trained on a model tuned by the adapter {sha256[..Math.Min(12, sha256.Length)]}, which is not in '{metadata.AdapterFolder}' any more. Put it there again.");
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static LoadedSae Open(string path, HookPoint? at, bool takesTranscoders, bool ownsModel, Func<SaeMetadata, LoadedModel> openModel, bool anyAdapter = false)
    {
        string folder = RunFolder.Contains(path) ? Path.Combine(path, "sae") : path;
        var (sae, metadata) = SaeFiles.Usable(SaeFiles.Load(folder), folder, at);
        LoadedModel? model = null;
        try
        {
            if (sae is Transcoder && !(takesTranscoders && metadata.HookOut is not null)) throw new InvalidDataException($"'{folder}' is a {sae.Architecture}: it reads {metadata.Hook} and writes another hook point, "
                + "so it cannot be put in the place of one activation. Name an autoencoder.");
            model = openModel(metadata).ToBeRunWhole();
            if (!anyAdapter && metadata.AdapterSha256 != model.Model.AttachedSha256) throw new InvalidDataException(
                $"the SAE '{folder}' was trained on {Tuning(metadata.AdapterSha256)}; here it is {Tuning(model.Model.AttachedSha256)}. Use it in the model it was trained on, or train one on this model.");
            metadata.EnsureFits(sae, model.Model.Config, at, model.Model.Sha256, model.Tokenizer.Sha256, model.Model.Storage);
            return new LoadedSae(model, sae = sae.On(model.Model.Device), metadata, folder, ownsModel);
        }
        catch
        {
            sae.Dispose();
            if (ownsModel) model?.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Sae.Dispose();
        if (ownsModel) Model.Dispose();
    }
}
