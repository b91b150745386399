using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Parsimony.Explorer.Api;
using Parsimony.Explorer.Features;
using Parsimony.Explorer.Guards;
using Parsimony.Explorer.Pages;
using Parsimony.Files;

namespace Parsimony.Explorer;

/// <summary>The explorer as a web server.</summary>
public static class ExplorerServer
{
    /// <summary>Longest text that a page may send, in bytes.</summary>
    public const int MostBytes = 1 << 20;

    /// <summary>Makes the server of a run; it does not listen before it is started, and frees the run when it is disposed of.</summary>
    /// <param name="source">What is explored.</param>
    /// <param name="options">Where it listens.</param>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such run folder.</exception>
    public static WebApplication Create(ExplorerSource source, ExplorerOptions options)
    {
        options.Validated();
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = typeof(ExplorerServer).Assembly.GetName().Name, EnvironmentName = "Production" });
        builder.WebHost.UseUrls($"http://{(options.Address.Contains(':', StringComparison.Ordinal) ? $"[{options.Address}]" : options.Address)}:{options.Port}");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = MostBytes);
        builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Error).AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // a port that is taken is said by whoever starts it
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        // Keys for tokens in forms are of this run of the program: nothing is written into the user's home.
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();
        builder.Services.AddSingleton(_ => new Explored(source, options));
        builder.Services.AddSingleton<FeatureList>();
        builder.Services.AddScoped<Client>();
        builder.Services.AddScoped<Microsoft.AspNetCore.Components.Server.Circuits.CircuitHandler, ConnectionWatch>();
        builder.Services.AddRazorComponents().AddInteractiveServerComponents(circuits => circuits.DisconnectedCircuitMaxRetained = 20);
        builder.Services.AddSignalR(hub => hub.MaximumReceiveMessageSize = MostBytes);
        builder.Services.ConfigureHttpJsonOptions(json => Copy(Json.Options, json.SerializerOptions));
        builder.Services.AddOpenApi();

        var app = builder.Build();
        _ = app.Services.GetRequiredService<Explored>(); // a folder that is not there is said now
        app.Use(new RequestGuard(options).Invoke);
        app.Use(Faults.Invoke);
        app.UseStatusCodePagesWithReExecute("/not-found", createScopeForStatusCodePages: true);
        app.UseAntiforgery();
        Assets.Map(app);
        ServerApi.Map(app);
        SaeApi.Map(app);
        FeaturesApi.Map(app);
        PromptApi.Map(app);
        CompareApi.Map(app);
        SteerApi.Map(app);
        RlhfApi.Map(app);
        LabelApi.Map(app);
        app.MapOpenApi("/api/openapi.json");
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode(render => render.ContentSecurityFrameAncestorsPolicy = null); // ours is stricter
        return app;
    }

    /// <summary>The address a started server listens on, such as <c>http://127.0.0.1:5170</c>.</summary>
    public static string AddressOf(WebApplication app) => ((IApplicationBuilder)app).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.First();

    private static void Copy(System.Text.Json.JsonSerializerOptions from, System.Text.Json.JsonSerializerOptions to)
    {
        to.PropertyNamingPolicy = from.PropertyNamingPolicy;
        to.DictionaryKeyPolicy = from.DictionaryKeyPolicy;
        to.NumberHandling = from.NumberHandling;
        to.Encoder = from.Encoder;
        foreach (var converter in from.Converters) to.Converters.Add(converter);
    }
}
