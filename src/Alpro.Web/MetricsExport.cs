using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Alpro.Web;

/// <summary>Brings the instruments of all libraries, and the runtime's own, to those who collect them.</summary>
internal static class MetricsExport
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT", ServiceName = "OTEL_SERVICE_NAME", Ours = "Alpro.*",
        Runtime = "System.Runtime";

    /// <summary>What <c>/metrics</c> shows.</summary>
    public static MeterProvider ForPrometheus() => Metrics()
        .AddView(WithoutCount)
        .AddPrometheusExporter(options => options.ScopeInfoEnabled = false)
        .Build();

    /// <summary>
    /// Sends metrics and spans by OTLP where <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> says where to; null where it does not. What is left is
    /// sent when it is disposed.
    /// </summary>
    public static IDisposable? ToCollector() => string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Endpoint)) ? null : new Sending(
        Metrics().AddOtlpExporter().Build(),
        Sdk.CreateTracerProviderBuilder().SetResourceBuilder(Resource()).AddSource(Ours).AddOtlpExporter().Build());

    private static MeterProviderBuilder Metrics() =>
        Sdk.CreateMeterProviderBuilder().SetResourceBuilder(Resource()).AddMeter(Ours).AddMeter(Runtime);

    /// <summary>The process, as the standard variables name it.</summary>
    private static ResourceBuilder Resource() => ResourceBuilder.CreateEmpty()
        .AddService(Environment.GetEnvironmentVariable(ServiceName) is { Length: > 0 } name ? name : "alpro",
            serviceVersion: typeof(MetricsExport).Assembly.GetName().Version?.ToString(3),
            autoGenerateServiceInstanceId: false, serviceInstanceId: $"{Environment.MachineName}:{Environment.ProcessId}")
        .AddEnvironmentVariableDetector();

    /// <summary>Some names of the runtime end in <c>count</c>, which Prometheus keeps for histograms: its tool refuses them.</summary>
    private static MetricStreamConfiguration? WithoutCount(Instrument instrument) =>
        instrument.Meter.Name == Runtime && instrument.Name.EndsWith(".count", StringComparison.Ordinal)
            ? new() { Name = instrument.Name[..^".count".Length] } : null;

    private sealed class Sending(params IDisposable[] providers) : IDisposable
    {
        public void Dispose()
        {
            foreach (IDisposable provider in providers) provider.Dispose();
        }
    }
}
