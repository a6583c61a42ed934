// Ranks sentences by their meaning: embed models/minilm "How do I bake bread?" "Knead the dough." "The train is late."
#include <cstdio>

#include "transformers/pretrained/sentence_transformer.h"

using namespace transformers;

int main(int count, char** words) try {
  if (count < 4) return std::puts("usage: embed MODEL QUESTION SENTENCE …"), 2;
  const std::vector<std::string> texts(words + 2, words + count);
  const auto embeddings = SentenceTransformer::from_pretrained(words[1]).encode(texts);  // (texts, size)

  const auto length = embeddings.norm(2, {1});
  const auto cosine = embeddings.matmul(embeddings[0]) / (length * length[0]);
  const auto order = cosine.argsort(0, /*descending=*/true);
  for (const int64_t i : std::span(order.const_data_ptr<int64_t>(), texts.size()))
    if (i > 0) std::printf("%.3f  %s\n", cosine[i].item<double>(), texts[i].c_str());
} catch (const std::exception& error) {
  return std::fprintf(stderr, "error: %s\n", error.what()), 1;
}
