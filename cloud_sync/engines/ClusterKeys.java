package truck.cloud;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.interfaces.RSAPrivateCrtKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import javax.crypto.Cipher;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.crypto.KeyAccessDeniedException;
import org.apache.parquet.crypto.ParquetCryptoRuntimeException;
import org.apache.parquet.crypto.keytools.KmsClient;

/**
 * The cluster's key service, as parquet-mr asks it for the data key of a batch.
 *
 * <p>Reads key maps written by `cloud-sync cluster keys`, named in
 * parquet.encryption.kms.instance.url, several with commas between; a batch that no map names is
 * opened by the envelope in its own file, where the truck sealed to the cluster's key itself. Both
 * are for the RSA key at truck.cluster.key (PKCS 8, PEM). Paths are Hadoop's.
 */
public final class ClusterKeys implements KmsClient {
  private static final int DATA_KEY_BYTES = 32;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final OAEPParameterSpec OAEP =
      new OAEPParameterSpec(
          "SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);

  private final Map<String, String> envelopes = new HashMap<>();
  private RSAPrivateCrtKey key;
  private String keyId;

  @Override
  public void initialize(Configuration hadoop, String id, String url, String token) {
    try {
      key = privateKey(read(hadoop, hadoop.get("truck.cluster.key", "")));
      keyId = idOf(key);
      if (!KmsClient.KMS_INSTANCE_URL_DEFAULT.equals(url)) {
        for (String map : url.split(",")) {
          for (JsonNode batch : JSON.readTree(read(hadoop, map)).get("batches")) {
            envelopes.put(batch.get("batch").asText(), batch.get("envelope").asText());
          }
        }
      }
    } catch (IOException | RuntimeException | GeneralSecurityException error) {
      throw new ParquetCryptoRuntimeException("truck: no cluster key or no key map: " + error);
    }
  }

  @Override
  public byte[] unwrapKey(String inFile, String batch) {
    try {
      for (JsonNode entry : JSON.readTree(envelopes.getOrDefault(batch, inFile)).get("keys")) {
        if (keyId.equals(entry.get("key").asText())) {
          return open(Base64.getDecoder().decode(entry.get("sealed").asText()), batch);
        }
      }
    } catch (IOException | RuntimeException | GeneralSecurityException error) {
      throw new ParquetCryptoRuntimeException("truck: the key of batch " + batch + " does not open");
    }
    throw new KeyAccessDeniedException("truck: batch " + batch + " is not for cluster key " + keyId);
  }

  @Override
  public String wrapKey(byte[] dataKey, String batch) {
    throw new UnsupportedOperationException("truck: the cluster reads batches, it makes none");
  }

  /** What is sealed is the data key and what it is for, the batch and the key. */
  private byte[] open(byte[] sealed, String batch) throws GeneralSecurityException {
    Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
    cipher.init(Cipher.DECRYPT_MODE, key, OAEP);
    byte[] opened = cipher.doFinal(sealed);
    byte[] info = Arrays.copyOfRange(opened, DATA_KEY_BYTES, opened.length);
    int slash = batch.lastIndexOf('/');
    long seq = Long.parseLong(batch.substring(slash + 1));
    String purpose = "truck.batch/1\0" + batch.substring(0, slash) + "\0" + seq + "\0" + keyId;
    if (!MessageDigest.isEqual(info, sha256(purpose.getBytes(StandardCharsets.UTF_8)))) {
      throw new GeneralSecurityException("sealed for another batch");
    }
    return Arrays.copyOf(opened, DATA_KEY_BYTES);
  }

  private static RSAPrivateCrtKey privateKey(String pem) throws GeneralSecurityException {
    String body = pem.replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
    PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(body));
    return (RSAPrivateCrtKey) KeyFactory.getInstance("RSA").generatePrivate(encoded);
  }

  /** 64 bits of the SHA-256 of the public half, as cloud-sync names a key. */
  private static String idOf(RSAPrivateCrtKey key) throws GeneralSecurityException {
    RSAPublicKeySpec half = new RSAPublicKeySpec(key.getModulus(), key.getPublicExponent());
    byte[] encoded = KeyFactory.getInstance("RSA").generatePublic(half).getEncoded();
    return HexFormat.of().formatHex(sha256(encoded), 0, 8);
  }

  private static byte[] sha256(byte[] data) throws GeneralSecurityException {
    return MessageDigest.getInstance("SHA-256").digest(data);
  }

  private static String read(Configuration hadoop, String place) throws IOException {
    Path path = new Path(place);
    try (InputStream file = path.getFileSystem(hadoop).open(path)) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
