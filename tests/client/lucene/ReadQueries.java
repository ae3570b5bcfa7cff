import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.core.KeywordAnalyzer;
import org.apache.lucene.analysis.core.WhitespaceAnalyzer;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.queryparser.classic.QueryParser;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.BoostQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.TermQuery;

/**
 * Reads queries with Lucene's classic parser and says of each whether it means what it should.
 *
 * <p>A line of the input is "words", the query, and the texts any of which may match, each with all its words; or "value",
 * the query, and the one value of the field f that it asks for. All but the first are in Base64, with tabs between them. A
 * line of the output is "ok", or what is wrong.
 */
public final class ReadQueries {
  public static void main(String[] none) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] parts = line.split("\t", -1);
      List<String> texts = new ArrayList<>();
      for (int i = 1; i < parts.length; i++) {
        texts.add(new String(Base64.getDecoder().decode(parts[i]), StandardCharsets.UTF_8));
      }
      String verdict;
      try {
        verdict = parts[0].equals("words") ? words(texts) : value(texts);
      } catch (Exception error) {
        verdict = error.toString();
      }
      System.out.println(verdict.replace("\n", " ").replace("\r", " "));
    }
  }

  private static String words(List<String> texts) throws Exception {
    Analyzer analyzer = new WhitespaceAnalyzer();
    QueryParser parser = new QueryParser("f", analyzer);
    parser.setDefaultOperator(QueryParser.Operator.AND);
    Query query = parser.parse(texts.get(0));
    List<Query> alternatives = new ArrayList<>();
    if (texts.size() == 2) {
      alternatives.add(query);
    } else {
      for (BooleanClause clause : (BooleanQuery) query) {
        if (clause.getOccur() != BooleanClause.Occur.SHOULD) {
          return "not an alternative: " + clause;
        }
        alternatives.add(clause.getQuery());
      }
    }
    for (int i = 1; i < texts.size(); i++) {
      List<String> found = new ArrayList<>();
      collect(alternatives.get(i - 1), found);
      List<String> wanted = tokens(analyzer, texts.get(i));
      if (!found.equals(wanted)) {
        return "found " + found + ", wanted " + wanted;
      }
    }
    return alternatives.size() == texts.size() - 1 ? "ok" : "too many alternatives";
  }

  private static String value(List<String> texts) throws Exception {
    Query query = new QueryParser("none", new KeywordAnalyzer()).parse(texts.get(0));
    TermQuery term = (TermQuery) query;
    boolean right = term.getTerm().field().equals("f") && term.getTerm().text().equals(texts.get(1));
    return right ? "ok" : "found " + term;
  }

  private static void collect(Query query, List<String> found) {
    if (query instanceof BoostQuery) {
      collect(((BoostQuery) query).getQuery(), found);
    } else if (query instanceof BooleanQuery) {
      for (BooleanClause clause : (BooleanQuery) query) {
        if (clause.getOccur() != BooleanClause.Occur.MUST) {
          throw new IllegalStateException("not needed: " + clause);
        }
        collect(clause.getQuery(), found);
      }
    } else {
      found.add(((TermQuery) query).getTerm().text());
    }
  }

  private static List<String> tokens(Analyzer analyzer, String text) throws Exception {
    List<String> found = new ArrayList<>();
    try (TokenStream stream = analyzer.tokenStream("f", text)) {
      CharTermAttribute term = stream.addAttribute(CharTermAttribute.class);
      stream.reset();
      while (stream.incrementToken()) {
        found.add(term.toString());
      }
      stream.end();
    }
    return found;
  }
}
