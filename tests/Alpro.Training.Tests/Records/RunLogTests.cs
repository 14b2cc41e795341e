using Alpro.Training.Configuration;
using Alpro.Training.Records;

namespace Alpro.Training.Tests.Records;

public sealed class RunLogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_and_a_resumed_run_writes_on_after_its_checkpoint()
    {
        using (var log = new RunLog(new(_folder.Path), 0, 0))
        {
            for (int step = 0; step < 5; step++) log.Add(Record(step, loss: step == 4 ? double.NaN : step));
            log.Add(new ValidationRecord(4, 0.5, new Dictionary<string, double> { ["r1"] = 0.5 }, 1));
            log.Add(new ValidationRecord(5, 0.6, new Dictionary<string, double> { ["r1"] = 0.6 }, 1));
            log.Flush();
        }
        File.AppendAllText(new RunFolder(_folder.Path).Steps, "{\"step\": 5, \"epo");     // a crash in the middle of a line
        Assert.True(double.IsNaN(RunLog.Read<StepRecord>(new RunFolder(_folder.Path).Steps).Last().Loss));

        using (var log = new RunLog(new(_folder.Path), 4, 4))
        {
            log.Add(Record(4, loss: 4));
            log.Flush();
        }
        Assert.Equal([0.0, 1, 2, 3, 4], RunLog.Read<StepRecord>(new RunFolder(_folder.Path).Steps).Select(record => record.Loss));
        Assert.Equal([4L], RunLog.Read<ValidationRecord>(new RunFolder(_folder.Path).Validations).Select(record => record.Step));
        new RunLog(new(_folder.Path), 4, 3).Dispose();                    // which validates again
        Assert.Empty(RunLog.Read<ValidationRecord>(new RunFolder(_folder.Path).Validations));
        Assert.NotEmpty(Directory.EnumerateFiles(_folder.File("tensorboard"), "events.out.tfevents*"));
    }

    [Fact]
    public void A_line_that_is_no_record_is_named_and_disturbs_nobody_who_does_not_need_it()
    {
        string file = new RunFolder(_folder.Path).Steps;
        using (var log = new RunLog(new(_folder.Path), 0, 0))
        {
            for (int step = 0; step < 500; step++) log.Add(Record(step, loss: step));
            log.Flush();
        }
        string[] lines = File.ReadAllLines(file);
        lines[9] = lines[9][..20];
        File.WriteAllLines(file, lines);
        Assert.Contains($"{file}: 1 problem{Environment.NewLine}  line 10: is no record of a run",
            Assert.Throws<ConfigException>(() => RunLog.Read<StepRecord>(file).Count()).Message, StringComparison.Ordinal);
        Assert.Equal(499, RunLog.Last<StepRecord>(file)!.Step);
        using (var log = new RunLog(new(_folder.Path), 400, 400))
        {
            log.Add(Record(400, loss: 1));
            log.Flush();
        }
        Assert.Equal((401, 400), (File.ReadLines(file).Count(), RunLog.Last<StepRecord>(file)!.Step));
        Assert.Contains("  line 10: ", Assert.Throws<ConfigException>(() => new RunLog(new(_folder.Path), 20, 20)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Records_of_any_length_are_found_again_whatever_the_crash_left_behind()
    {
        string file = new RunFolder(_folder.Path).Validations;
        string[] lines = [.. Enumerable.Range(1, 60).Select(step => System.Text.Json.JsonSerializer.Serialize(
            new ValidationRecord(step, step, new Dictionary<string, double> { [new string('x', step * 5000)] = 1 }, 1), RunLog.Json))];
        File.WriteAllText(file, string.Join('\n', lines) + "\n" + new string('\0', 300_000));
        Assert.Equal(Enumerable.Range(1, 60).Select(step => (long)step), RunLog.Read<ValidationRecord>(file).Select(record => record.Step));
        foreach (int step in (int[])[60, 59, 31, 30, 2, 1, 0])
        {
            new RunLog(new(_folder.Path), step, step).Dispose();
            Assert.Equal(lines[..step], File.ReadAllLines(file));
            Assert.Equal(step == 0 ? null : step, RunLog.Last<ValidationRecord>(file)?.Step);
        }
    }

    [Fact]
    public void Records_that_a_full_disk_does_not_take_wait_and_are_written_once()
    {
        string file = _folder.File("blocked/list");
        File.WriteAllText(_folder.File("blocked"), "");              // no folder, so nothing can be written in it
        using var list = new GrowingFile(file);
        foreach (string line in new[] { "a", "b" })
        {
            list.AddLine(line);
            Assert.ThrowsAny<IOException>(list.Flush);
        }
        Assert.Equal(2, list.Waiting);
        File.Delete(_folder.File("blocked"));
        list.Flush();
        list.Flush();
        Assert.Equal((0, "a\nb\n"), (list.Waiting, File.ReadAllText(file)));
    }

    [Fact]
    public void TensorBoard_is_told_from_which_step_a_run_goes_on()
    {
        foreach (int from in new[] { 0, 3 })
        {
            using var log = new RunLog(new(_folder.Path), from, from);
            for (int step = from; step < 5; step++) log.Add(Record(step, loss: step));
            log.Flush();
        }
        Tensorboard.Event[][] files = [.. Directory.EnumerateFiles(_folder.File("tensorboard")).Order(StringComparer.Ordinal)
            .Select(Events)];
        Assert.Equal([0L, 0, 0, 1, 2, 3, 4], files[0].Select(entry => entry.Step));
        Assert.Equal("brain.Event:2", files[1][0].FileVersion);
        Assert.Equal((Tensorboard.SessionLog.Types.SessionStatus.Start, 3L), (files[1][1].SessionLog.Status, files[1][1].Step));
        Assert.Equal([("loss/total", 3f), ("loss/vtc", 3f), ("accuracy/vtc", 0.25f)],
            files[1][2].Summary.Value.Take(3).Select(value => (value.Tag, value.SimpleValue)));
    }

    [Fact]
    public void TensorBoard_is_shown_clips_and_captions_each_time_that_the_steps_have_doubled()
    {
        byte[] picture = [0xFF, 0xD8, .. Enumerable.Range(0, 300).Select(number => (byte)number)];
        var clip = new ClipSample("k_1", [new("red", false, "[MASK]"), new("ball", false, null)], null, null, 32, 2, picture);
        using (var log = new RunLog(new(_folder.Path), 0, 0))
        {
            foreach (int step in new[] { 0, 1, 2, 3, 5, 6, 9, 10 })
                log.Add(new BatchSample(DateTimeOffset.UnixEpoch, step, "films", [clip, clip with { Key = "k2" }]));
            log.Flush();
        }
        Tensorboard.Event[] shown = [.. Events(Directory.GetFiles(_folder.File("tensorboard")).Single()).Skip(2)];
        Assert.Equal([0L, 1, 2, 5, 10], shown.Select(entry => entry.Step));
        var values = shown[^1].Summary.Value;
        Assert.Equal(["clips/1", "captions/1", "clips/2", "captions/2"], values.Select(value => value.Tag));
        Assert.Equal((32, 64, 3), (values[0].Image.Height, values[0].Image.Width, values[0].Image.Colorspace));
        Assert.Equal(picture, values[0].Image.EncodedImageString.ToByteArray());
        Assert.Equal("text", values[1].Metadata.PluginData.PluginName);
        Assert.Equal((7, 1L), ((int)values[1].Tensor.Dtype, values[1].Tensor.TensorShape.Dim.Single().Size));
        Assert.Equal(@"k\_1: **red** (\[MASK\]) ball", values[1].Tensor.StringVal.Single().ToStringUtf8());
    }

    /// <summary>The events of a file, whose frames are length, checksum, content, checksum; the checksums are right.</summary>
    private static Tensorboard.Event[] Events(string file)
    {
        var events = new List<Tensorboard.Event>();
        byte[] bytes = File.ReadAllBytes(file);
        for (int at = 0, length; at < bytes.Length; at += 16 + length)
        {
            length = (int)BitConverter.ToInt64(bytes, at);
            Assert.Equal(Masked(bytes.AsSpan(at, 8)), BitConverter.ToUInt32(bytes, at + 8));
            Assert.Equal(Masked(bytes.AsSpan(at + 12, length)), BitConverter.ToUInt32(bytes, at + 12 + length));
            events.Add(Tensorboard.Event.Parser.ParseFrom(bytes, at + 12, length));
        }
        return [.. events];
    }

    /// <summary>CRC-32C bit by bit, masked.</summary>
    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        uint sum = uint.MaxValue;
        foreach (byte next in bytes)
        {
            sum ^= next;
            for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ ((sum & 1) * 0x82F63B78);
        }
        sum = ~sum;
        return ((sum >> 15) | (sum << 17)) + 0xA282EAD8;
    }

    private static StepRecord Record(long step, double loss) => new()
    {
        Step = step,
        Epoch = 0,
        Corpus = 0,
        Clips = "0",
        Loss = loss,
        Terms = new Dictionary<string, TermRecord> { ["vtc"] = new(loss, 1, 4) },
        LearningRate = 1e-4,
        GradientNorm = 1,
        StepMs = 100,
        ClipsPerSecond = 40,
    };
}
