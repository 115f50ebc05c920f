/** "anthropic/claude-sonnet-5-5" of a model whose SDK calls its provider "anthropic.messages". */
export function modelIdOf({ provider, modelId }: { readonly provider: string; readonly modelId: string }): string {
  return `${provider.split(".")[0] ?? provider}/${modelId}`;
}
