using System.Buffers.Binary;
using Parsimony.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// A checkpoint of llama2.c (version 0, float32): seven int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len), then the
/// tensors one after the other. It is given under Hugging Face's names, as if it were a Llama folder.
/// </summary>
/// <remarks>llama2.c rotates neighbouring pairs of a head's numbers, Hugging Face its two halves, so the rows of queries and keys are
/// reordered as they are read. A negative vocabulary size says that the unembedding is a tensor of its own.</remarks>
public sealed class Llama2cFile : IWeightSource
{
    private const int HeaderBytes = 7 * sizeof(int);
    private readonly string path;
    private readonly Dictionary<string, (long Offset, long[] Shape)> tensors = new(StringComparer.Ordinal);
    private readonly Lazy<string> sha256;

    private Llama2cFile(string path, LlamaConfig config, long bytes)
    {
        (this.path, Config) = (path, config);
        sha256 = new Lazy<string>(() => FileHash.Sha256([path]));
        long at = HeaderBytes;
        long d = config.DModel, q = config.NHeads * config.DHead, kv = config.NKvHeads * config.DHead, mlp = config.DMlp;
        Add("model.embed_tokens.weight", config.DVocab, d);
        EachLayer("input_layernorm", d);
        EachLayer("self_attn.q_proj", q, d);
        EachLayer("self_attn.k_proj", kv, d);
        EachLayer("self_attn.v_proj", kv, d);
        EachLayer("self_attn.o_proj", d, q);
        EachLayer("post_attention_layernorm", d);
        EachLayer("mlp.gate_proj", mlp, d);
        EachLayer("mlp.down_proj", d, mlp);
        EachLayer("mlp.up_proj", mlp, d);
        Add("model.norm.weight", d);
        at += (long)config.MaxSequenceLength * config.DHead * sizeof(float); // tables of cosines and sines, not needed
        if (!config.TieWordEmbeddings) Add("lm_head.weight", config.DVocab, d);
        if (at != bytes) throw Fault(path, $"its header asks for {at} bytes, the file has {bytes}; it is cut off or no such checkpoint");

        void EachLayer(string name, params long[] shape)
        {
            for (int layer = 0; layer < config.NLayers; layer++) Add($"model.layers.{layer}.{name}.weight", shape);
        }

        void Add(string name, params long[] shape)
        {
            tensors.Add(name, (at, shape));
            at = checked(at + sizeof(float) * shape.Aggregate(1L, (product, axis) => checked(product * axis)));
        }
    }

    /// <summary>The model's shape, from the file's header.</summary>
    public LlamaConfig Config { get; }

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => tensors.Keys;

    /// <inheritdoc/>
    public string Sha256 => sha256.Value;

    /// <summary>The checkpoint in a folder that has no config.json: its one <c>.bin</c> file that is no tokenizer; null when there is none.</summary>
    public static string? FindIn(string folder) =>
        !Directory.Exists(folder) || File.Exists(Path.Combine(folder, "config.json")) ? null
        : Directory.GetFiles(folder, "*.bin").Where(f => Path.GetFileName(f) is var name
            && !name.StartsWith("tok", StringComparison.Ordinal) && !name.StartsWith("pytorch_model", StringComparison.Ordinal)).ToArray() is [var one] ? one : null;

    /// <summary>Opens a checkpoint and reads its header.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no such checkpoint, or cut off.</exception>
    public static Llama2cFile Open(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"'{path}' does not exist; expected a checkpoint of llama2.c.", path);
        var header = new byte[HeaderBytes];
        using var stream = File.OpenRead(path);
        if (stream.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes)
            throw Fault(path, $"it has {stream.Length} bytes, and the header alone takes {HeaderBytes}");
        int[] n = [.. Enumerable.Range(0, 7).Select(i => BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(i * sizeof(int))))];
        if (n[..5].Append(n[6]).Any(value => value is < 1 or > 1 << 24) || n[5] is 0 or int.MinValue
            || n[0] % n[3] != 0 || n[3] % n[4] != 0 || n[0] / n[3] % 2 != 0)
            throw Fault(path, $"its header reads {string.Join(", ", n)}, which is no model's shape (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len)");
        var config = new LlamaConfig
        {
            DModel = n[0],
            DMlp = n[1],
            NLayers = n[2],
            NHeads = n[3],
            NKvHeads = n[4],
            DHead = n[0] / n[3],
            DVocab = Math.Abs(n[5]),
            TieWordEmbeddings = n[5] > 0,
            MaxSequenceLength = n[6],
            RmsNormEpsilon = 1e-5,
        };
        try
        {
            return new Llama2cFile(path, config, stream.Length);
        }
        catch (OverflowException e)
        {
            throw Fault(path, "its header asks for more than a file can hold", e);
        }
    }

    /// <inheritdoc/>
    public bool Contains(string name) => tensors.ContainsKey(name);

    /// <inheritdoc/>
    public IReadOnlyList<long> Shape(string name) => tensors[name].Shape;

    /// <inheritdoc/>
    public Tensor Read(string name)
    {
        var (offset, shape) = tensors[name];
        using var scope = NewDisposeScope();
        var result = empty(shape, ScalarType.Float32, CPU);
        var flat = result.view(-1);
        using (var stream = File.OpenRead(path))
        {
            stream.Position = offset;
            const long atATime = 1 << 24; // a span holds less than 2 GiB
            for (long i = 0; i < flat.size(0); i += atATime)
            {
                using var part = flat.narrow(0, i, Math.Min(atATime, flat.size(0) - i));
                stream.ReadExactly(part.bytes);
            }
        }
        if (name.Contains("q_proj", StringComparison.Ordinal) || name.Contains("k_proj", StringComparison.Ordinal))
            result = result.view(-1, Config.DHead / 2, 2, Config.DModel).transpose(1, 2).reshape(shape); // pairs to halves
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>Nothing is held open.</summary>
    public void Dispose()
    {
    }

    private static InvalidDataException Fault(string path, string what, Exception? inner = null) =>
        new($"'{path}' cannot be read as a checkpoint of llama2.c: {what}.", inner);
}
