using System.Text.Json;
using System.Text.Json.Serialization;

namespace Parsimony.Models;

/// <summary>A hook point in JSON is its name: <c>"blocks.1.mlp_out"</c>.</summary>
internal sealed class HookPointJson : JsonConverter<HookPoint>
{
    /// <inheritdoc/>
    public override HookPoint Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        try
        {
            return HookPoint.Parse(reader.TokenType == JsonTokenType.String ? reader.GetString()! : "");
        }
        catch (FormatException e)
        {
            throw new JsonException(e.Message, e);
        }
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, HookPoint value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
