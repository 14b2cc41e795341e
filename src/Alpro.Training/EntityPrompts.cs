using Alpro.Data;
using Alpro.Data.Entities;
using Alpro.Data.Text;
using Alpro.Model;
using Alpro.Training.Inputs;
using static TorchSharp.torch;

namespace Alpro.Training;

/// <summary>The prompts that name the entities of entity modelling (paper section 3.3).</summary>
internal static class EntityPrompts
{
    /// <summary>Tokens of a prompt, as in the released code.</summary>
    private const int Length = 15;

    /// <summary>Fills a prompter's prompt features for the entities of a list.</summary>
    /// <param name="prompter">The prompter, trained.</param>
    /// <param name="entityFile">The entity list.</param>
    /// <param name="vocabularyFile">The vocabulary of its text encoder.</param>
    /// <exception cref="DataException">The list has fewer entities than the prompter.</exception>
    public static void Build(Prompter prompter, string entityFile, string vocabularyFile)
    {
        using var scope = NewDisposeScope();
        var tokenizer = new CaptionTokenizer(vocabularyFile);
        IReadOnlyList<string> entities = EntityList.Load(entityFile, prompter.Config.Entities);
        prompter.BuildEntityPrompts(Encode(Prompter.VideoTemplates), Encode(Prompter.ImageTemplates));

        (Tensor Ids, Tensor Mask) Encode(IReadOnlyList<string> templates)
        {
            TokenizedTexts texts = TokenizedTexts.Encode(tokenizer, Prompter.Prompts(templates, entities), Length);
            return texts.Tensors(0, texts.Count, Length, prompter.temp.device);
        }
    }
}
