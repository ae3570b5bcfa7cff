import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.Reader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.LowerCaseFilter;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.core.KeywordTokenizer;
import org.apache.lucene.analysis.custom.CustomAnalyzer;
import org.apache.lucene.analysis.standard.StandardTokenizer;
import org.apache.lucene.analysis.synonym.SolrSynonymParser;
import org.apache.lucene.analysis.synonym.SynonymGraphFilter;
import org.apache.lucene.analysis.synonym.SynonymMap;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.store.ByteBuffersDirectory;
import org.apache.lucene.util.QueryBuilder;
import org.apache.lucene.util.graph.GraphTokenStreamFiniteStrings;

/**
 * Reads synonyms files as search engines do, and says what becomes of queries.
 *
 * A request is one line: mode, synonyms file, file of titles, file of queries, with tabs between. The answer has one
 * line for each query: every reading of it, with | between, a tab, and every title found with all of its words; then a
 * line with a single full stop. Where the synonyms cannot be read, one line with ! and the reason comes instead.
 * Modes: "elastic" builds the filter as Elasticsearch and OpenSearch do, from the analyzer in front of it; "solr" with
 * the factory that Solr has; "keyword" takes each term whole.
 */
public final class ReadBack {
    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] request = line.split("\t");
            try {
                answer(request[0], Path.of(request[1]), lines(request[2]), lines(request[3]), out);
            } catch (Exception error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                out.println("!" + String.valueOf(cause).replaceAll("\\s+", " "));
            }
            out.println(".");
            out.flush();
        }
    }

    private static void answer(String mode, Path synonyms, List<String> titles, List<String> queries, PrintStream out)
            throws Exception {
        Analyzer search = mode.equals("solr") ? solr(synonyms) : filtered(mode, synonyms);
        ByteBuffersDirectory directory = new ByteBuffersDirectory();
        try (IndexWriter writer = new IndexWriter(directory, new IndexWriterConfig(plain(mode)))) {
            for (String title : titles) {
                Document document = new Document();
                document.add(new TextField("title", title, Field.Store.YES));
                writer.addDocument(document);
            }
        }
        try (DirectoryReader reader = DirectoryReader.open(directory)) {
            IndexSearcher searcher = new IndexSearcher(reader);
            QueryBuilder builder = new QueryBuilder(search);
            for (String query : queries) {
                Query parsed = builder.createBooleanQuery("title", query, BooleanClause.Occur.MUST);
                TreeSet<String> found = new TreeSet<>();
                if (parsed != null && !titles.isEmpty()) {
                    for (ScoreDoc hit : searcher.search(parsed, titles.size()).scoreDocs) {
                        found.add(searcher.doc(hit.doc).get("title"));
                    }
                }
                out.println(String.join("|", readings(search, query)) + "\t" + String.join("|", found));
            }
        }
    }

    private static TreeSet<String> readings(Analyzer analyzer, String query) throws Exception {
        TreeSet<String> all = new TreeSet<>();
        try (TokenStream graph = analyzer.tokenStream("title", query)) {
            GraphTokenStreamFiniteStrings strings = new GraphTokenStreamFiniteStrings(graph);
            var paths = strings.getFiniteStrings();
            while (paths.hasNext()) {
                TokenStream path = paths.next();
                CharTermAttribute term = path.addAttribute(CharTermAttribute.class);
                List<String> words = new ArrayList<>();
                path.reset();
                while (path.incrementToken()) {
                    words.add(term.toString());
                }
                all.add(String.join(" ", words));
            }
        }
        return all;
    }

    private static Analyzer filtered(String mode, Path synonyms) throws Exception {
        SolrSynonymParser parser = new SolrSynonymParser(true, true, plain(mode));
        try (Reader reader = new StringReader(Files.readString(synonyms))) {
            parser.parse(reader);
        }
        SynonymMap map = parser.build();
        return new Analyzer() {
            @Override
            protected TokenStreamComponents createComponents(String field) {
                Tokenizer tokenizer = tokenizer(mode);
                TokenStream lower = new LowerCaseFilter(tokenizer);
                // A map without a rule has nothing to walk through; engines leave the filter out then.
                TokenStream end = map.fst == null ? lower : new SynonymGraphFilter(lower, map, false);
                return new TokenStreamComponents(tokenizer, end);
            }
        };
    }

    private static Analyzer solr(Path synonyms) throws Exception {
        return CustomAnalyzer.builder(synonyms.getParent())
                .withTokenizer("standard")
                .addTokenFilter("lowercase")
                .addTokenFilter(
                        "synonymGraph",
                        "synonyms",
                        synonyms.getFileName().toString(),
                        "ignoreCase",
                        "true",
                        "tokenizerFactory",
                        "org.apache.lucene.analysis.standard.StandardTokenizerFactory")
                .build();
    }

    private static Analyzer plain(String mode) {
        return new Analyzer() {
            @Override
            protected TokenStreamComponents createComponents(String field) {
                Tokenizer tokenizer = tokenizer(mode);
                return new TokenStreamComponents(tokenizer, new LowerCaseFilter(tokenizer));
            }
        };
    }

    private static Tokenizer tokenizer(String mode) {
        return mode.equals("keyword") ? new KeywordTokenizer() : new StandardTokenizer();
    }

    private static List<String> lines(String path) throws Exception {
        String text = Files.readString(Path.of(path));
        return text.isEmpty() ? List.of() : List.of(text.split("\n", -1));
    }
}
