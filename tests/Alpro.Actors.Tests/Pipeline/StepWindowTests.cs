using Alpro.Actors.Pipeline;

namespace Alpro.Actors.Tests.Pipeline;

/// <summary>How many steps ahead clips may be made, by a clock that is set.</summary>
public sealed class StepWindowTests
{
    private readonly Clock _clock = new();

    private sealed class Clock : TimeProvider
    {
        public long Milliseconds { get; set; } = 1;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Milliseconds;
    }

    private StepWindow Window(long size = 1 << 30, long stepSize = 1 << 10) => new(least: 4, size, stepSize, _clock);

    /// <summary>Lets steps pass, whose clips each took so long.</summary>
    private void Pass(StepWindow window, int steps, int stepMs, int clipMs)
    {
        for (int step = 0; step < steps; step++)
        {
            _clock.Milliseconds += stepMs;
            for (int clip = 0; clip < 4; clip++) window.Clip(_clock.Milliseconds - clipMs);
            window.Step();
        }
    }

    [Fact]
    public void Clips_that_are_made_within_a_step_need_no_more_than_the_least()
    {
        StepWindow window = Window();
        Pass(window, 100, stepMs: 200, clipMs: 150);
        Assert.Equal(4, window.Steps);
    }

    [Fact]
    public void Steps_that_pass_while_a_clip_is_made_come_to_the_least()
    {
        StepWindow window = Window();
        Pass(window, 200, stepMs: 200, clipMs: 2100);
        Assert.Equal(4 + 10, window.Steps);
    }

    [Fact]
    public void Window_shrinks_again_when_clips_come_faster()
    {
        StepWindow window = Window();
        Pass(window, 200, stepMs: 200, clipMs: 2000);
        Pass(window, 200, stepMs: 200, clipMs: 100);
        Assert.Equal(4, window.Steps);
    }

    [Fact]
    public void Steps_that_fill_what_waits_for_the_trainer_say_nothing_of_the_rate()
    {
        StepWindow window = Window();
        Pass(window, 8, stepMs: 1, clipMs: 100);
        Assert.Equal(4, window.Steps);
    }

    [Theory]
    [InlineData(8, 8)]
    [InlineData(2, 4)]
    public void Window_takes_no_more_bytes_than_it_may_unless_the_least_does(int steps, int expected)
    {
        StepWindow window = Window(size: steps * 1000, stepSize: 1000);
        Pass(window, 200, stepMs: 10, clipMs: 10_000);
        Assert.Equal(expected, window.Steps);
    }
}
