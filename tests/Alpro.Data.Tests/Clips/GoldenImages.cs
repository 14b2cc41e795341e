using System.Buffers.Binary;
using System.Text.Json;

namespace Alpro.Data.Tests.Clips;

/// <summary>The uint8 images [H, W, 3] of a golden safetensors file.</summary>
internal sealed class GoldenImages
{
    private readonly byte[] _file;
    private readonly JsonElement _header;
    private readonly int _data;

    public GoldenImages(string path)
    {
        _file = File.ReadAllBytes(path);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(_file);
        _header = JsonSerializer.Deserialize<JsonElement>(_file.AsSpan(8, length));
        _data = 8 + length;
    }

    public IEnumerable<string> Names => _header.EnumerateObject().Select(entry => entry.Name);

    public byte[] this[string name]
    {
        get
        {
            JsonElement offsets = _header.GetProperty(name).GetProperty("data_offsets");
            return _file[(_data + offsets[0].GetInt32())..(_data + offsets[1].GetInt32())];
        }
    }

    public int Width(string name) => _header.GetProperty(name).GetProperty("shape")[1].GetInt32();
}
