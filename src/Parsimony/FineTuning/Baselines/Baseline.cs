using Parsimony.Autoencoders;
using Parsimony.Models;

namespace Parsimony.FineTuning.Baselines;

/// <summary>Makes a baseline of about the size of the dials, or of a size of one's own. How many numbers it truly learns is its <see cref="IAdapter.TrainableParameters"/>.</summary>
public static class Baseline
{
    private const int PeftRank = 8;

    /// <summary>A newborn adapter.</summary>
    /// <param name="options">Which, and how large.</param>
    /// <param name="model">The model; not owned.</param>
    /// <param name="at">Where the dials sit: the steering vector's place, and the layer of the others where none is named.</param>
    /// <param name="sae">The SAE of the dials, for its size alone; null: the options say the budget, or that it does not matter.</param>
    /// <param name="positions">At which tokens it acts.</param>
    /// <exception cref="ArgumentException">The options have faults or do not fit the model, there is no SAE to be as large as, or they ask for dials.</exception>
    public static IAdapter Create(BaselineOptions options, Transformer model, HookPoint at, ISparseAutoencoder? sae = null, TokenPositions positions = TokenPositions.All)
    {
        options.Validated();
        if (options.Method is BaselineMethod.Dials or BaselineMethod.RandomDictionary) throw new ArgumentException($"{Words.Of(options.Method)} are dials; make a {nameof(DialAdapter)}.", nameof(options));
        long? budget = !options.EqualParameters ? null : options.Budget ?? 2L * sae?.DSae ?? throw new ArgumentException(
            "there is no SAE whose dials' count could be matched. Give one, set budget, or set equal_parameters to false.", nameof(sae));
        LearntNumbers.Layers(model, [at.Layer]);
        var layers = LearntNumbers.Layers(model, options.Layers ?? [at.Layer]);
        var (config, targets) = (model.Config, options.Targets ?? LinearMap.AllTargets);
        return options.Method switch
        {
            BaselineMethod.Lora => Lora(options.Targets ?? [LinearTarget.Qkv]),
            BaselineMethod.Ia3 => Sized(l => new Ia3Adapter(model, l, options.ScaleQueries) { Positions = positions }),
            BaselineMethod.Bias => Sized(l => new BiasAdapter(model, l, targets, options.Norms ?? false) { Positions = positions }),
            BaselineMethod.Neurons => Neurons(),
            BaselineMethod.Steering => new SteeringVectorAdapter(model, at) { Positions = positions },
            _ => Sized(l => new FullAdapter(model, l, targets, options.Norms ?? true) { Positions = positions }),
        };

        IAdapter Lora(IReadOnlyList<LinearTarget> maps)
        {
            long perRank = LinearMap.Of(layers, maps).Sum(m => m.Inputs(config) + m.Outputs(config));
            int rank = options.Rank ?? (budget is { } b ? Nearest(b, perRank, int.MaxValue) : PeftRank);
            return new LoraAdapter(model, layers, maps, rank, options.Alpha, options.Seed) { Positions = positions };
        }

        IAdapter Neurons()
        {
            int? each = options.Neurons;
            var within = layers;
            if (budget is { } b && each is null)
            {
                long pairs = Math.Max(1, b / 2);
                if (options.Layers is null) within = Grown((int)Math.Min(config.NLayers, (pairs + config.DMlp - 1) / config.DMlp));
                each = Nearest(pairs, within.Count, config.DMlp);
            }
            else if (budget is { } numbers && options.Layers is null) within = Grown(Nearest(numbers, 2L * each!.Value, config.NLayers));
            return new NeuronAdapter(model, within, each, options.Seed) { Positions = positions };
        }

        // A kind that has so many numbers a layer: as many layers as come nearest.
        IAdapter Sized(Func<IReadOnlyList<int>, IAdapter> make)
        {
            var one = make(layers);
            if (budget is not { } b || options.Layers is not null || Nearest(b, one.TrainableParameters, config.NLayers) is 1) return one;
            long perLayer = one.TrainableParameters;
            one.Dispose();
            return make(Grown(Nearest(b, perLayer, config.NLayers)));
        }

        IReadOnlyList<int> Grown(int count) =>
            [.. Enumerable.Range(at.Layer, config.NLayers - at.Layer).Concat(Enumerable.Range(0, at.Layer).Reverse()).Take(count).Order()];
    }

    /// <summary>How many of a size come nearest to a sum, 1 at least.</summary>
    private static int Nearest(long sum, long each, int most) => (int)Math.Clamp((sum + each / 2) / each, 1, most);
}
