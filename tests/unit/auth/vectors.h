/* SPDX-License-Identifier: PostgreSQL */
/* clang-format off */
/* Keys and tokens from elsewhere: those named TOKEN_ were made with the npm package jose 5 under
 * node 20, with the keys here and the claims
 * {"dbo_id":12,"row_id":34,"extras":{"name":"Ann"},"exp":4102444800}; the signed one inside a
 * nested one is TOKEN_HS256. Those named RFC are from that RFC. */
#ifndef HERALD_TESTS_AUTH_VECTORS_H
#define HERALD_TESTS_AUTH_VECTORS_H

#define SECRET_64 \
    "a secret for tests, 64 bytes long, which is enough for HS512 too"
#define SECRET_32 \
    "a secret for tests, 64 bytes lon"
#define RSA_PRIVATE \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCsS7wjXxu1T0RC\n" \
    "kLQGIEpxrtSAsXD7/c6J2wZgBKhS1q/pFtbxKcFfVW93R49KXjMbcVvhLk9CGIEF\n" \
    "PQ4khKZP0GEAcFzDG28R7eEWPYB/CFWramaUC+rbOQGxMu8yr6e0m+9zlhU0UlW9\n" \
    "nseI+VfetvkFGudYR1Gkk5Fh9oju5JdRKlr5AiSelVmKIiiMPtJLIOhqsldzgK6Y\n" \
    "1efazXFHey8GfvPI0mzUro5wtVpeGd7lggvISYJr25L5EzLmCawm5VdbDcCMemg+\n" \
    "wMObYy+51wsIuAzx0CDnL/1YDiCiUgOAwSRy7qyY3lX+rH6X0fcdXnmL4eobYjS8\n" \
    "X28GeAs5AgMBAAECggEAF8H5BymXVli/8VZ8XwyMfKuJBYEyMqp3PzQSkiKM8UtF\n" \
    "hg8OWW0StdS/4i3duM6kyR0doxRx0mEy8pLOL0PpSOp+Da5GDuiVWAlkobPzqCXx\n" \
    "O4ntlhl563urW5CfQhki4g550LGPv/S1z51O0fjhNcZ7hPQw6qUplqzQfbZzKvmO\n" \
    "qtCrp0DI7+2Pq1HweI8ZbKTtvxwlnK0Wx8Hk/hgeM476wW/zqwOOO5LomVNJil8f\n" \
    "AoP7EbwSL9pyleXgwHX7edZ8brOk25SlxrisAgnXahSJz/14sOWF8T/QS4cy7Ein\n" \
    "4NId6CPCcDSNI4OJdr+T5oYqD4PqbD0EaXnBnMonbwKBgQDcWwBdqEf8VcvXwqIi\n" \
    "JLFW2P2UyoP+4QNOCKzgIsggS0908noDCXte8LswYIdsbeKP6uSwjhpcLjLk6QvT\n" \
    "M8qxj/aedeOset+uzRRpda8GaZjvXLI3lWnp9jGUMGxR8zNuDGUSJBRVHnkp5+zN\n" \
    "yVgTGRu7QhqDAt8FCgTElUe6SwKBgQDIKpEhOVC/DojJqCRfwePpt5R+Iax1TWZ4\n" \
    "WWkVURwPfApif42butWOwzj2AYcAtzR/dsw0X5QcE+m88urmQHZwPP2WSV1nOu0U\n" \
    "VI/9IlULhzrF6Ux6x5COXp4sP490402V7WXnjZOymQX5ViSckTNNIG58HzOr2qd0\n" \
    "6uhCNMLeCwKBgEOYhtw0KyD1ELr3MdVXfC8wEVn7ZdJiJClj7+Qxx0Jg19cAKv2T\n" \
    "gwz0u/dzJRfV/ZI4dD7U2LE+Ws5tzvrTAHLHvteNQnI+ny94KbLQLwjAi/Ghdeon\n" \
    "I35pz3ut/wyEllpD4x1VhAc4eeKpCrN1+FajdSZUeN2Hm/JnyF6ljINRAoGAdxm0\n" \
    "3xLuc7AfPfX5Jq0EgqVECsTYi7dxODzjJNbtHl2NBEynIrlJpreMZfxEqu1XpFw4\n" \
    "ZxVT2F0U3+OeV0CV+HSh4tFmbS0HsegbAOBzv/dHxkjpw8iIv92Wufdb0Y4KNSJb\n" \
    "VyrLbiJVBqX2BN70qniYpOwf36qrpwq7BeHE7T8CgYAp5JKwh4K7WQ2uDyDmP3Yk\n" \
    "XtjITkH/IiYzIAtQ3b9TM2T28reOPfSBRK4SvVXgt0/h8fcvSWLfOBfFdmv4aZLR\n" \
    "o9p859aXYqb1Q3J4uW+y2Nd2xSynOC7zGlAVu5YdjjO0B0hjRAFRnUSd9FeyxMZy\n" \
    "R/zRyHF7/RBJ6TDJzQwXCg==\n" \
    "-----END PRIVATE KEY-----\n"
#define RSA_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArEu8I18btU9EQpC0BiBK\n" \
    "ca7UgLFw+/3OidsGYASoUtav6RbW8SnBX1Vvd0ePSl4zG3Fb4S5PQhiBBT0OJISm\n" \
    "T9BhAHBcwxtvEe3hFj2AfwhVq2pmlAvq2zkBsTLvMq+ntJvvc5YVNFJVvZ7HiPlX\n" \
    "3rb5BRrnWEdRpJORYfaI7uSXUSpa+QIknpVZiiIojD7SSyDoarJXc4CumNXn2s1x\n" \
    "R3svBn7zyNJs1K6OcLVaXhne5YILyEmCa9uS+RMy5gmsJuVXWw3AjHpoPsDDm2Mv\n" \
    "udcLCLgM8dAg5y/9WA4golIDgMEkcu6smN5V/qx+l9H3HV55i+HqG2I0vF9vBngL\n" \
    "OQIDAQAB\n" \
    "-----END PUBLIC KEY-----\n"
#define RSA_OTHER_PRIVATE \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCwT3Lxu97D7k/6\n" \
    "/8FN1TrrCI37uEEpAU9B9HSMfPTilE1dtrFkHKbEKd8+9Kzgx1GvpD2/UCXmaCEq\n" \
    "B39nAlgviYRQnirhvszUGGZQL2YwnjNaEtwmrAY+16yolN4q+HAK8bN0CJnHawDk\n" \
    "USxyZBGe3ii0wDmbYu+MNVjFEqWJQ0mFPSKFdnNRgNhxZyV5hdfjQnaJ7XC7TP1T\n" \
    "7yD+kZZccDGBilgUXRxknC3y2/NgkOjEAugT2qwrKWJbh9xnhaxZx09knkcx9kit\n" \
    "r9/TN0ogbKjrALoDuTy1yCYYF+t5mjuvaf15XYWrvCcLPLRZjAYMYKGlqRbaPkFZ\n" \
    "Uyb1UNSZAgMBAAECggEAFLt69j8TznFnGUpa1ka1M28hlxCPJP3A7q4KyHxnJX+v\n" \
    "602w5WdTGu0bkeEetR3rFp7XHfiURFhJUhJoolnNueVPWFWJEFup5WTrHxG70ArC\n" \
    "Whyuo6OF5nzhEj/TMjVdo4PRiNr8Dk2gYLjE47ytr8NLARo7i/Ch35hkVGRBb/b2\n" \
    "GWjjLhgjQJaxGBHsvsrzs79TxdesQbFTR1SKweGQr0y0p3SL7rJ01qkfJ2jfZzs8\n" \
    "DEjF1eryejImn8Nbz5NYxZZnNWklN8tQ5p+zRtTEJOlFxr+fedRhPLq7l7cYdAV8\n" \
    "yXcthagsW8Sq9mESRdT0vE45wBx06MFK1LBlmymWiQKBgQDeXXu6NAT7MCDl55n/\n" \
    "30QxPM6p1fdqChhrThJf1rSdO2g8qGd9DS8Qjv/4J+q9bLwcJ6QBl+YyIle+yzfi\n" \
    "4h+94udxcI3erujJSb9tRCnMmY18hhv3nMSAFj8BnsCFJMPd3moCSFL9wSnmlFzL\n" \
    "w+UHfhXEeCpxrAbYeWeSdoOB3QKBgQDK+pyZIjZYVSGjwFzKbTSQHw1JN7mQlmln\n" \
    "3PneKIAO6IvaVZVY/DztUbM0IXng9XzTq073zSpT5QV/0sAaHF859MA/42jmDCUt\n" \
    "E5Au12bQ92LlXy7t51WiMa6zv346EEairivY0NEP4eZ8nzN3FFdEZ/WW9XKnESS0\n" \
    "ZeZ83/XX7QKBgAU4xsYJoLBRYgRkGu6yTISne+brGmNIF2i1raLIhPdIRNtfzQZX\n" \
    "v+owoXwvW8jU+9nhaG2NJp+4xLy7QvW1/67S3EKCtSIsk1TewXsMZbrjRDpPX+rB\n" \
    "qK+lVhdwpe66fUsBhRXGowRIe/ZpN4ClegRiBprVg5Gly4db2n3LAK2VAoGAS5+d\n" \
    "coxFlRl6pAjKSXzwZXW8PHgvgcgYU2MIERYjx+oqGNlkADhR9tVGn/iM8RxlOnOL\n" \
    "w1VEHOep6dq6ScAiVnRyoBr4/SSvQSEVye3k15wj03NoB6j1xa0e+scwny9rMbcU\n" \
    "jP4XtgQjHHEv+oCwlsLoxCqEYexIMZH5krLaZG0CgYAJZcwLQruG59lJrUHDFf3a\n" \
    "J8nTxowGDXvllRe0hU72J8jCxT6cIXNo/exZ9yHROA0W726qat07QX+7WH8S+xak\n" \
    "qJblllECzwNVQyR+0eqAW8EhVX1/dCxPnKhCFZWL9JsZD5EuWi8bDK3Hv91soSMx\n" \
    "3MeW/O4jHSS1JL9jHyMH/Q==\n" \
    "-----END PRIVATE KEY-----\n"
#define RSA_OTHER_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsE9y8bvew+5P+v/BTdU6\n" \
    "6wiN+7hBKQFPQfR0jHz04pRNXbaxZBymxCnfPvSs4MdRr6Q9v1Al5mghKgd/ZwJY\n" \
    "L4mEUJ4q4b7M1BhmUC9mMJ4zWhLcJqwGPtesqJTeKvhwCvGzdAiZx2sA5FEscmQR\n" \
    "nt4otMA5m2LvjDVYxRKliUNJhT0ihXZzUYDYcWcleYXX40J2ie1wu0z9U+8g/pGW\n" \
    "XHAxgYpYFF0cZJwt8tvzYJDoxALoE9qsKyliW4fcZ4WsWcdPZJ5HMfZIra/f0zdK\n" \
    "IGyo6wC6A7k8tcgmGBfreZo7r2n9eV2Fq7wnCzy0WYwGDGChpakW2j5BWVMm9VDU\n" \
    "mQIDAQAB\n" \
    "-----END PUBLIC KEY-----\n"
#define P256_PRIVATE \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPRi+AJNuQNHTCamO\n" \
    "nrTIp/FXRZ/m28ln8JP6joOzMH6hRANCAASuisBlHUN9kHQ6HlYE6/Y8dQQWBvsl\n" \
    "kw2vbhuULqZZ1Mu10GREjEfgTTI3e/47P129t9TEeyJ7fIWcD0yCvmfn\n" \
    "-----END PRIVATE KEY-----\n"
#define P256_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErorAZR1DfZB0Oh5WBOv2PHUEFgb7\n" \
    "JZMNr24blC6mWdTLtdBkRIxH4E0yN3v+Oz9dvbfUxHsie3yFnA9Mgr5n5w==\n" \
    "-----END PUBLIC KEY-----\n"
#define P384_PRIVATE \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBMeP0wlZx4GQsQcm0K\n" \
    "Om6S+fKg9UpguQsLP2/2asX3tMjhr37b5KVQhTH7U8wEzjShZANiAATWCRlVjd8U\n" \
    "IgXxl7ou8xkNcb6LbOWsUDLtwVaHcQX8cZt9IIbIKzsGG7UtC/qNYEVn17S1zvR+\n" \
    "H2kP/+Q29VbvxJfZEz4chELnxyNIVvIu8Q88CAp3cnGer+5mcFY7RNw=\n" \
    "-----END PRIVATE KEY-----\n"
#define P384_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE1gkZVY3fFCIF8Ze6LvMZDXG+i2zlrFAy\n" \
    "7cFWh3EF/HGbfSCGyCs7Bhu1LQv6jWBFZ9e0tc70fh9pD//kNvVW78SX2RM+HIRC\n" \
    "58cjSFbyLvEPPAgKd3Jxnq/uZnBWO0Tc\n" \
    "-----END PUBLIC KEY-----\n"
#define P521_PRIVATE \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBeo8NOxLaVfVx8uZl\n" \
    "UplpGYQaHKwkrqYQ2jMieSd8hs7uaEsZwm8emSo/kJ/E1Od7cG7DNHzwrz7tdr+J\n" \
    "tCZWNtehgYkDgYYABAFn4e31nDnLD6IzpMMdnylNOQfPsKMz2tn3+ey0B3UoTuEl\n" \
    "ZBrHTOfR9TTCe31+HwA1nVUZCT40HURB42BYz+Bq1AHBzS8x225M/v/v6qpmlesk\n" \
    "1mlKjTHKcIqygWqLzLfCyzYJZKGtdTJHMG73+PCJfy0ZkZvRLk9a8gPOAFf+cBfP\n" \
    "+Q==\n" \
    "-----END PRIVATE KEY-----\n"
#define P521_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBZ+Ht9Zw5yw+iM6TDHZ8pTTkHz7Cj\n" \
    "M9rZ9/nstAd1KE7hJWQax0zn0fU0wnt9fh8ANZ1VGQk+NB1EQeNgWM/gatQBwc0v\n" \
    "MdtuTP7/7+qqZpXrJNZpSo0xynCKsoFqi8y3wss2CWShrXUyRzBu9/jwiX8tGZGb\n" \
    "0S5PWvIDzgBX/nAXz/k=\n" \
    "-----END PUBLIC KEY-----\n"
#define ED_PRIVATE \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MC4CAQAwBQYDK2VwBCIEIL34dymhQyl7X3ah5XYQamvEltDrUm788cffPE2QkVga\n" \
    "-----END PRIVATE KEY-----\n"
#define ED_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MCowBQYDK2VwAyEATzQI1Xh76sUJEXiKZdiWZpLoeU39/OUJ81gRdwpc1AY=\n" \
    "-----END PUBLIC KEY-----\n"
#define RSA_SMALL_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDTpo9n7jP1QenJzPdwAYRRtjZz\n" \
    "aMSS/q0vPGpD1AtGWgCrQgGvQ6yBlrL7IKSlYJvixVF5WRJSBCqKL0qS60oEb3+0\n" \
    "LA6mvxCmhzU2nloStQfFiWg7Pwtge4ZljVN4d8mkr7YbjMpjNVSoTuWghhZ3yhRy\n" \
    "LZm1kI9Jbjdi8+aoZwIDAQAB\n" \
    "-----END PUBLIC KEY-----\n"
#define SECP256K1_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE034izMaRdY2a1T7WF6dG/GvXrH/sGH1U\n" \
    "ruYa6g37l3/zxj4Gk3CfGUgYhSVT7O+vE2Swyjy8J4w+06UgLmXeZw==\n" \
    "-----END PUBLIC KEY-----\n"
#define RSA_ENCRYPTED \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIIFLTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIaUo+K9Gc/QYCAggA\n" \
    "MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDvjRrhHaWNcOaXo3O5m/nwBIIE\n" \
    "0KDGbiDZfeBIt2FPr+IaOiWY08bV3NIlymm/+/E8n05ACJDwwP/oqYRI7sjw+CZo\n" \
    "gLraMeOVhXEinKCFeTI505vRShNLuDERxo9c9gpauR3Wf/qOgrUTBlaSzJNoeOnN\n" \
    "CCn2I9QaW7QexBFL3WWE7dFFYNQTzKomB9BIk+Why2FJ5YTUaAbp2AgSql72Tcxj\n" \
    "jW5MNanuRLvx1+CHiXTz+9xQClUfQEAX/UynJ2zaBmjC0I/qF3NI2jFPrnZZXDJo\n" \
    "/vwUunaPk+Yn5E6/ymLYJ90JBwQc3AgQRB30q6pdjACnq3BG1Vcam6i9sljujvYr\n" \
    "rHtVgwnutOAImCcxpdMbNHe0E4gDJimCWsTpufvxulJOdCD4lbGLCe0nj4wgBCXG\n" \
    "cuUEjtm2F1duZH23dXTx0MoaXbMTp1geSTsRHr3TLtAAI+Bnan7Bq1fz1fPxpVED\n" \
    "bUDGeYxO5tjgggJMpsC5dCs2QC1BzxdRFnmnGjzjRlPPYc0fL9FF2IzyVdS8yP1k\n" \
    "ChArXZ5ODTGlFi4gfo5DzVeCJEKn6ygd6zrhSJdhSCxY5Ikbqa+UgfnlxC7Sqloo\n" \
    "N6wmAKuNaGU06w8htYISPVN7G+ngYCEXfipD3u++A6S3N2TiPVglDyDUSDcB+HP4\n" \
    "jvVdKhxYQcZQkYO5zzL/fI7UPNHfBgh80wwo+Kg4Spfi6+evqZEc0hVhebJfPrzR\n" \
    "8EPMRlgkuTMVEpT0WQa0D+mHA9kBMbq1+t3vxKqkV5e3sU0DjYzzjR0GKWT8kvEn\n" \
    "m1Ssf5Ruv/OmADgUG15/H1Jmuog2FeHfer30TyJkMxmA9RS43iSfab5fyt59y1y3\n" \
    "u76TjdYJhOZDiMXPff9+AKywPaaIpURp2wZ6/w/eDy9r2+v6OuXyYov5os6sJafP\n" \
    "dDL7mo1f4Vih/y01H8Ty6iatWCmbNwmyky7ydFs+D7CZHLb4elam82rn9xcQ5RQ1\n" \
    "C2PvUMhwxMZz+bCJXaIVTdN+R3knd/67czriH7Lz09RmS+NcAcvRhHghlPhwXz51\n" \
    "lKHnELjdlWRTnnP2bnLFckNAbfAaCh7trPHIhhSXEmi27Pgj2VrTQTO+PN2DW7YF\n" \
    "CWyeg7Vn2FBpJAVAe/xTg2IdRJ6sf1itQ3WHO07yDmfk49K8nnt2e6073W+8PQvD\n" \
    "Y7CQ43O9Th7tJoveyt4XxK6IwZSHtS0nxtyC0JsnyPeGHjLg6nYpE2SJt2vq+rPJ\n" \
    "RTQCEnr1ZLQEIoTUigVSpiD1yQ6+OmP75xuDW9xDH1omjCK9i6GT89zmDwrVE7OP\n" \
    "9/wtuEcqDPUV0ECufdTc3ge7C74GzFrkj3Fu55drtNcxKngxwkiqGt0eIGPNTnis\n" \
    "e8q+ymfv02abUjCjhKQ/7dmf8TNBWv95IdvauR+EhSOmGQdEvf9Pit5C71K/RMK7\n" \
    "YqUSOJEDCuHZEUQ5lQKSXnqilHDfc8RWXUSezFnwXS9DKgat7kdWRygxsSEXTcJI\n" \
    "NEeq3JzeSobIpX5Xft99sEImFSAp1tag6i4rQkU4VdrE9qbPyycQN4AdPzSTZZmM\n" \
    "Pf2nQ/0IzOqu6dyBraMrYe+W+27/SEhUemS/XYJGnwjoyKFa959Eq4qjUiqsdqmg\n" \
    "/WrPv5Vv4yzLt7eYC5Kh1iYuIYDA6AYFVdK0c2wJLKQ3\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"
#define RSA_PKCS1_PRIVATE \
    "-----BEGIN RSA PRIVATE KEY-----\n" \
    "MIIEogIBAAKCAQEArEu8I18btU9EQpC0BiBKca7UgLFw+/3OidsGYASoUtav6RbW\n" \
    "8SnBX1Vvd0ePSl4zG3Fb4S5PQhiBBT0OJISmT9BhAHBcwxtvEe3hFj2AfwhVq2pm\n" \
    "lAvq2zkBsTLvMq+ntJvvc5YVNFJVvZ7HiPlX3rb5BRrnWEdRpJORYfaI7uSXUSpa\n" \
    "+QIknpVZiiIojD7SSyDoarJXc4CumNXn2s1xR3svBn7zyNJs1K6OcLVaXhne5YIL\n" \
    "yEmCa9uS+RMy5gmsJuVXWw3AjHpoPsDDm2MvudcLCLgM8dAg5y/9WA4golIDgMEk\n" \
    "cu6smN5V/qx+l9H3HV55i+HqG2I0vF9vBngLOQIDAQABAoIBABfB+Qcpl1ZYv/FW\n" \
    "fF8MjHyriQWBMjKqdz80EpIijPFLRYYPDlltErXUv+It3bjOpMkdHaMUcdJhMvKS\n" \
    "zi9D6Ujqfg2uRg7olVgJZKGz86gl8TuJ7ZYZeet7q1uQn0IZIuIOedCxj7/0tc+d\n" \
    "TtH44TXGe4T0MOqlKZas0H22cyr5jqrQq6dAyO/tj6tR8HiPGWyk7b8cJZytFsfB\n" \
    "5P4YHjOO+sFv86sDjjuS6JlTSYpfHwKD+xG8Ei/acpXl4MB1+3nWfG6zpNuUpca4\n" \
    "rAIJ12oUic/9eLDlhfE/0EuHMuxIp+DSHegjwnA0jSODiXa/k+aGKg+D6mw9BGl5\n" \
    "wZzKJ28CgYEA3FsAXahH/FXL18KiIiSxVtj9lMqD/uEDTgis4CLIIEtPdPJ6Awl7\n" \
    "XvC7MGCHbG3ij+rksI4aXC4y5OkL0zPKsY/2nnXjrHrfrs0UaXWvBmmY71yyN5Vp\n" \
    "6fYxlDBsUfMzbgxlEiQUVR55KefszclYExkbu0IagwLfBQoExJVHuksCgYEAyCqR\n" \
    "ITlQvw6IyagkX8Hj6beUfiGsdU1meFlpFVEcD3wKYn+Nm7rVjsM49gGHALc0f3bM\n" \
    "NF+UHBPpvPLq5kB2cDz9lkldZzrtFFSP/SJVC4c6xelMeseQjl6eLD+PdONNle1l\n" \
    "542TspkF+VYknJEzTSBufB8zq9qndOroQjTC3gsCgYBDmIbcNCsg9RC69zHVV3wv\n" \
    "MBFZ+2XSYiQpY+/kMcdCYNfXACr9k4MM9Lv3cyUX1f2SOHQ+1NixPlrObc760wBy\n" \
    "x77XjUJyPp8veCmy0C8IwIvxoXXqJyN+ac97rf8MhJZaQ+MdVYQHOHniqQqzdfhW\n" \
    "o3UmVHjdh5vyZ8hepYyDUQKBgHcZtN8S7nOwHz31+SatBIKlRArE2Iu3cTg84yTW\n" \
    "7R5djQRMpyK5Saa3jGX8RKrtV6RcOGcVU9hdFN/jnldAlfh0oeLRZm0tB7HoGwDg\n" \
    "c7/3R8ZI6cPIiL/dlrn3W9GOCjUiW1cqy24iVQal9gTe9Kp4mKTsH9+qq6cKuwXh\n" \
    "xO0/AoGAKeSSsIeCu1kNrg8g5j92JF7YyE5B/yImMyALUN2/UzNk9vK3jj30gUSu\n" \
    "Er1V4LdP4fH3L0li3zgXxXZr+GmS0aPafOfWl2Km9UNyeLlvstjXdsUspzgu8xpQ\n" \
    "FbuWHY4ztAdIY0QBUZ1EnfRXssTGckf80chxe/0QSekwyc0MFwo=\n" \
    "-----END RSA PRIVATE KEY-----\n"
#define RSA_PKCS1_PUBLIC \
    "-----BEGIN RSA PUBLIC KEY-----\n" \
    "MIIBCgKCAQEArEu8I18btU9EQpC0BiBKca7UgLFw+/3OidsGYASoUtav6RbW8SnB\n" \
    "X1Vvd0ePSl4zG3Fb4S5PQhiBBT0OJISmT9BhAHBcwxtvEe3hFj2AfwhVq2pmlAvq\n" \
    "2zkBsTLvMq+ntJvvc5YVNFJVvZ7HiPlX3rb5BRrnWEdRpJORYfaI7uSXUSpa+QIk\n" \
    "npVZiiIojD7SSyDoarJXc4CumNXn2s1xR3svBn7zyNJs1K6OcLVaXhne5YILyEmC\n" \
    "a9uS+RMy5gmsJuVXWw3AjHpoPsDDm2MvudcLCLgM8dAg5y/9WA4golIDgMEkcu6s\n" \
    "mN5V/qx+l9H3HV55i+HqG2I0vF9vBngLOQIDAQAB\n" \
    "-----END RSA PUBLIC KEY-----\n"
#define P256_CERTIFICATE \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBdjCCARugAwIBAgIUZM1huKC7LAl1xioNZarO/EsaqEQwCgYIKoZIzj0EAwIw\n" \
    "DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjcwNDE2MjVaGA8yMTI2MTEwMzA0MTYy\n" \
    "NVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABK6K\n" \
    "wGUdQ32QdDoeVgTr9jx1BBYG+yWTDa9uG5QuplnUy7XQZESMR+BNMjd7/js/Xb23\n" \
    "1MR7Int8hZwPTIK+Z+ejUzBRMB0GA1UdDgQWBBQpt55zYjQbVKtF3z5Lyc8if6FE\n" \
    "MjAfBgNVHSMEGDAWgBQpt55zYjQbVKtF3z5Lyc8if6FEMjAPBgNVHRMBAf8EBTAD\n" \
    "AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDoxHEFNkztO3kNS70y+C2XI0jnkH6Xe3wS\n" \
    "D4FfC6MpHQIhAOj0jHEEBw4gc7acn8pnd8WUPoKf/IGeOKSeGiZ4gO4/\n" \
    "-----END CERTIFICATE-----\n"
#define RSA_JWK_N \
    "rEu8I18btU9EQpC0BiBKca7UgLFw-_3OidsGYASoUtav6RbW8SnBX1Vvd0ePSl4zG3Fb4S5PQhiBBT0OJISm" \
    "T9BhAHBcwxtvEe3hFj2AfwhVq2pmlAvq2zkBsTLvMq-ntJvvc5YVNFJVvZ7HiPlX3rb5BRrnWEdRpJORYfaI" \
    "7uSXUSpa-QIknpVZiiIojD7SSyDoarJXc4CumNXn2s1xR3svBn7zyNJs1K6OcLVaXhne5YILyEmCa9uS-RMy" \
    "5gmsJuVXWw3AjHpoPsDDm2MvudcLCLgM8dAg5y_9WA4golIDgMEkcu6smN5V_qx-l9H3HV55i-HqG2I0vF9v" \
    "BngLOQ"
#define RSA_OTHER_JWK_N \
    "sE9y8bvew-5P-v_BTdU66wiN-7hBKQFPQfR0jHz04pRNXbaxZBymxCnfPvSs4MdRr6Q9v1Al5mghKgd_ZwJY" \
    "L4mEUJ4q4b7M1BhmUC9mMJ4zWhLcJqwGPtesqJTeKvhwCvGzdAiZx2sA5FEscmQRnt4otMA5m2LvjDVYxRKl" \
    "iUNJhT0ihXZzUYDYcWcleYXX40J2ie1wu0z9U-8g_pGWXHAxgYpYFF0cZJwt8tvzYJDoxALoE9qsKyliW4fc" \
    "Z4WsWcdPZJ5HMfZIra_f0zdKIGyo6wC6A7k8tcgmGBfreZo7r2n9eV2Fq7wnCzy0WYwGDGChpakW2j5BWVMm" \
    "9VDUmQ"
#define P256_JWK_X \
    "rorAZR1DfZB0Oh5WBOv2PHUEFgb7JZMNr24blC6mWdQ"
#define P256_JWK_Y \
    "y7XQZESMR-BNMjd7_js_Xb231MR7Int8hZwPTIK-Z-c"
#define ED_JWK_X \
    "TzQI1Xh76sUJEXiKZdiWZpLoeU39_OUJ81gRdwpc1AY"
#define TOKEN_HS256 \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.5Ho_YILNkaBMsfaXhuP55v--kGW8cYHfBhSCSvOQuR" \
    "g"
#define TOKEN_HS384 \
    "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.xJenIeqWrgKDVgtB0hHyH7UMIShIEAzZJwzj8uqjWH" \
    "2KHsvK3gGP4gt__CNMQP_0"
#define TOKEN_HS512 \
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.yYfeXwDR6_ZIENYh72QlUmEFh2RNa3C_BvEPZ1N0e2" \
    "wIHAVY4BwDO4R5_9YHke_-sr11Ai9N6-nqv6hNakpe_Q"
#define TOKEN_RS256 \
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.pUAViPoCWvX7tQI36Hi5NdSWMvas5AzVhKuQ9T8FDo" \
    "fhuJ0nDS74vFkp_F4CVqaJisr67A79fV6FdlqhfKFzuvZUq5rHU4Jd9iINA9lm-PAjrjfI2eqLmVavyXbDjS" \
    "PC6aeY8Kbe2qIAQ1WKoOWvibR2Qy3_GqviUO729ddUtegV9u0Ati6-LRvG-O1XKouGwWBigc91nZ1NedUkFe" \
    "GjEvwi7Udm1YWKAXGgfVBwPipKyWbE3s3u9esw8rl9El0GMhMkza0QZf_qp2XFn-MOnpUSnr4fFmo3Nz_wND" \
    "G5MuBCGau8cU2FjHr0XwO-sxO-mED7_r7YYCmT8tyGvOGlSw"
#define TOKEN_RS384 \
    "eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.LbAkGXxBBP7a4JR-a1-g1Nyjm5XI9ZJ5KzlFN-fvCj" \
    "5CNWk3o9dqik09X9MEQUJ_mJsuQkXxKHzeZq5hqQsnbKghIzOwB41xl0TYXd9Jhy3ykrYp6ghlQ7WiPykrkb" \
    "3eu8HT4p31zRWVQ9C_IjakYnhKz1-RPsmgtlPggaDOFNCAHJZPqRhdGOEbHzcrRq94hTtR5QVqgZ0S8roQ9x" \
    "IK6RqctyqmwraMNrT3908QYs6jaCI3yAw-Dc6W8dxcupahD2_WcGpX75bWi_tU6EhBZbMBYZgmoHXnUXB9P0" \
    "jox14jbfvVvlKUFf6OFnY0hJWhgmPwE5971DWOba9BtmE9WA"
#define TOKEN_RS512 \
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.LrE0Jh97wlZCKJUTkGE37fcAoNFeo4F513LGjNqQei" \
    "KjozKr58in9Q46KjwPs1h-6UfCIP46zM-jFAeXE_ihvv1fJmtq6GEhARTHyqWdjOQJPKp8g53NGaGRLaP7tj" \
    "cpN6NyWw2KiBRmCIOi2h0jx7FcKEgJuaTdB_DEs2396PmDjTqq5SOiKjMZXbHvOE7L30VLdLXwOQkq4DtNYK" \
    "7Yd_VPLUmWzOUFHA6KdZZr6-igYScQpeCPtAP66RhFzGhjB1YtS7L4Vas3C-wunrv2w4zmZgW9UH3h2GA2tK" \
    "O4WVYJU3kVDFcM-Rm2m8qh1NqhIGyRK2E21wz49H4tIquSfQ"
#define TOKEN_PS256 \
    "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.X0J7aoYd9IpzB3chpuB8wAPtKLN68CgYWiI_-Yj_1X" \
    "Lm2G3UsiXm-B-V8odfucyNdlzRyL8bTZJkvdGNj3s4_FPjTQEeq0pMYqOSTj19rKUNMBuJLqn5jYK1x4i1DD" \
    "mzECY--TG9I6RFfO9X-WXP10Io4c2iirx5qWv6YlGe_0FhZwkrpA4oKd5SoiDFxt-rY7iepSYOpUkIOEkJqU" \
    "yxI3OAYuBHcLJpadY-5aGXtnre2RvQ82lMRta52WZPM4x70E50t1iB7an7bkzphC7dot5Ta3zyIF_aV43Srm" \
    "RtzBkD2fjwq-cgFG1VZeT98jZfzqu7OfWC-yXVW-TNcsvC9Q"
#define TOKEN_PS384 \
    "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.aI_iW-22C7Oh2787BdORfM1DNTqGZoq9qOB4ddy5hl" \
    "5Z_psf4-jHfeb6GqHwPc_yYr45DUyr7yVyiQTeWcD5nyIzxRW9y-uUQC6SnyyuYvsjkXRxkLEdhvApTdnZtn" \
    "MXhHtwYaGTea6EyyNNrnkpmIKKRG7tLHbqTMNHiu0et5C7SP4I2t9Vp1wMWuO9kGiWcvOP47Cah_GDwmSbhC" \
    "nbm4It0pxeI_diC736t6Xqgk8u8ehsfJW0QydoiLpt3dscdrUuCq3J32WBjTyTFQmOdQH5zHhxdSHdvQfFqB" \
    "7xvk8iY3EBkNx2zoef8xfl0KrfqlfpK8yTdkg18N6u_W777w"
#define TOKEN_PS512 \
    "eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.bHYzFvK0WaL0pDqISf2pv4UwejOO4JkZg5yeViGOBh" \
    "YKYE7gKl5LFl8AH6OU_MO1qjrP3oTckYzwNd8h8-nbfVYGYjYEAIISyWrrJyLUbUtXp-g5_aSRKPguv_OryP" \
    "SINoXETCifZtQlnO3ovNzdJ64AW4ynl2iVAGIjdvXy0L1RVtfiQCyIQ8H_TO1CAPZNgXrvmqktEVAviALWcU" \
    "JvM3kAWBHfihUTFrGZMCQ6tn_prMwdYwKZSucftBXblRAiV_0it9neWaAfoBFsJ158F758WWtHzwej1vpQaR" \
    "6Iile3ne2DauVYHEEHMcBJGl5XMwfIhrrKQcgnkqtKkEOcEw"
#define TOKEN_ES256 \
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.INFJP8RRdt30Mzf7-P5Yf3pRiyljZ-Jzem537Yzhqy" \
    "DQ14kTkrxEUTFuC9vOVgHcWIxZZBFKGj5ravnqt37TDQ"
#define TOKEN_ES384 \
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.eK99QxSbxpPZwOzfjAXj6swQC6N22x7ISE0AA0r7VT" \
    "lXMiwitqJr_mTYLRolit7YQOVjP8_nX_o_CEFmSJS7XV-oPtK8NTsT_f88HTKhoXdMTND7NdG-6jWIEN9If6" \
    "fJ"
#define TOKEN_ES512 \
    "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.AWbvPqnbEroB4CPqurlmLI3ijE_UmYgGP5sATe9bu7" \
    "7anw8ShD50nnUAj3DUmlTuwWC1Vy_VOL5AktIg-u10jYdlAT2n1iUQRMj-hDhUjS7LiBqK0IdPhBHBSHGa3C" \
    "MIwk-HUpoijWyel3ZosIfyT0YqAGHz06I6JUdsAVs0AoEmAktM"
#define TOKEN_EDDSA \
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJkYm9faWQiOjEyLCJyb3dfaWQiOjM0LCJleHRyYXMiOns" \
    "ibmFtZSI6IkFubiJ9LCJleHAiOjQxMDI0NDQ4MDB9.WCGJ1ThHvtQaaPgjTNT_sVKW71MlTmuVet0BqRshwD" \
    "VruFpOrM7gmfhrEQjsNxm0UGcWAKWC49PSOn4kk2YOAg"
#define TOKEN_DIR_A256GCM \
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwidHlwIjoiSldUIn0..oGLLks0srQe8-BKS.JDhmvj68Ny" \
    "lYPStscbc9gggnZQ9PSNxOTLGmF9aihcrlBP9ZmomIqr8Eh0_YQMieuq1AVI1ym5JbU-SoVhHgxrpn.WwcLs" \
    "FeJuc25P4GAQB3PJQ"
#define TOKEN_DIR_A128CBC \
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwidHlwIjoiSldUIn0..rIXpO7F78k0RzQp_Clh" \
    "3Gw.1zQMz6dHp1yGwvdYLWBeAIteEOxS2a94goobI1cyAwoElgHx1Fu2hUT3DFqGiz6yYf6oOC5yEFGGcdNw" \
    "YvoL4s0GaXzwZvBq5NPLc4Ihkd4.FeV34pjESSZYE6Q3ZCmBUA"
#define TOKEN_DIR_A256CBC \
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwidHlwIjoiSldUIn0..sYvbNXTpz6boxk_YKNX" \
    "zyw.yhjqktr-Af2M_EA-ibIL-pINToVtcdo1CwBlVMLVL0DfReQ-AWUYZeu6P5qzyPsEm5LB6-7LgwQ8Sd98" \
    "5Z2rul6BVvTSRBt9jpfvuHA6yC8.fA2WR6RmnojHBYbpHZ5Z7ErRMcNeakwwdgmr4s_2Tdc"
#define TOKEN_A256KW_A128GCM \
    "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMTI4R0NNIiwidHlwIjoiSldUIn0.pydtyoXOxBrZs5b96h-EwbX0" \
    "eDdkn-4z.HJgpDw86tl7CDaw8.5JtMUqY7P47RsqX0YtnWQ4htFpt00QTcHMGbhdoFFn6tuuDcYnXmfMXs3S" \
    "UE6xBR97sbZy8zQdEr5pXhwR_5xFU6.071sXvkrRJ5IVRZ9f7CO8A"
#define TOKEN_A256KW_A192GCM \
    "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMTkyR0NNIiwidHlwIjoiSldUIn0.zLekaCgfZpQk2c4m1BCOFZlV" \
    "kw3RfCTJzSWQt1e4j24.tl3xMLoW7TNjGfzB.WQJwBVs-xVPcf1Y0VeTNp93P7mnkDRDnlzJJ6wB4xcLFRaF" \
    "XXOf-y89tDRLKjS82k5mnQI8vdlinXlWgkOWeMlNA.gN3XXBHh-MnHa4SJ0y_0tg"
#define TOKEN_A256KW_A256GCM \
    "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIiwidHlwIjoiSldUIn0.W-O_GDslir1qg7dsIO0afvaV" \
    "9EbYQVUmI-ufBE2QU53PxgakzqE6yw.FSQvqpC5mSLSNAiL.x3UNwUEICxaEBPhXJRYUie4CZcnAeJmmLpQT" \
    "zxVaUwH0A_1sDIp61GzXkVzp8H8Jv1eRybCwK5Xb0NNLaeUJOeZo.ZtIjoFCQUJpAdVrr90NSOQ"
#define TOKEN_A256KW_A128CBC \
    "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwidHlwIjoiSldUIn0.zdIUlXXigXqjJ7Zx" \
    "928SgZTQXbOdnhJDHqatW2moBLyjheJzN1qk2Q.4oVN3deSPx6RPks3cig_RQ.nN4XlPu5HMbykB3ycCLYyl" \
    "23OgMBHLj4VsS9j0kGu9Igw8823x_M8FRYAQaaSOV-v98Bezlz62JQKcPH1tdB_Y8saaRxnLI7RMBtB8fXEj" \
    "8.1wBqkxMH_XZ52w-fyideAw"
#define TOKEN_A256KW_A192CBC \
    "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMTkyQ0JDLUhTMzg0IiwidHlwIjoiSldUIn0.R5uqbAZVEHQuO46v" \
    "8tz2NEIV8vDi1ZTAqqp-vYmRakpYIBwjD2SNLZTiY2ojzMJIe-_nOPHPX2g.GjXOiv2jCOe2pcxRQ3Qa6A.V" \
    "nbkwiQo-rXi8w2ncPWojcjf0a2h_uoIl8h3q7Vx5N7i6aWgQ4LphVLRDbC8hrxQ2tlR3EneBFW7AwGwgFAtT" \
    "kME-uAo6bDT2JnSjZYfHe0.atUaOtK5SdbHF8PS1ffiVzJ5Pf780t0A"
#define TOKEN_A256KW_A256CBC \
    "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwidHlwIjoiSldUIn0.UylB6jxTUB5YaKfi" \
    "dPUxoTHnkF6O8R-DwUa8FuZYR06FrAlaXL2A3Y8toQj50Yow2cdKXiAUW6sr4QSurgSWyyn3nTLOxavC.seL" \
    "neKvXVdJV-zzMcveKIQ.-nGeYTDI7KN99NaPPGZ7dVmC3sSqeYSZtwDvLilnqdq4W6JnA1EHUe8XTVc6rbhK" \
    "qqFDiRAmKGKq2_RVmAqc5b5n5k3rzMmoVSeqWMrQaDI.DfZsPKuSqla_39W2RCJyZTAEMvthaSTxOxYpHtxz" \
    "uGY"
#define TOKEN_NESTED_A256KW \
    "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIiwiY3R5IjoiSldUIn0.PeJy3119eVzmoNeNFjqdCikS" \
    "UQs6LxnainTTlNKvya5dLxa_gguGoA.laDQ6tmCPqaFjMU6.ZC9bhDbuyMHEzj8g0aZzpRdTSPQzPVJrR77e" \
    "4L1V04aAfPe8d9K9aJAIKQjonK2lmBm7NAbgAqNc1Ry4-EXQP4Sq-g4oQt8gpYk3_Py8Da4LMNCHiHK4X2bc" \
    "lihn7IxYTD-FtQiPHsIWO2JFjEW0Q1_JTubSq303mfPIwxap494zH0fo7LF7bALZfaG3lloFRMSFxPTKjhWj" \
    "SWxAIaIAWJdE-hudBV48YA.YRZRbt6OeBYKLxBHspPTLA"
#define TOKEN_NESTED_RSA \
    "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIiwiY3R5IjoiSldUIn0.HFrBF8UiRTah7i_d" \
    "XqqvltQBVox6UHFUK9kZs_1nlRQyfKRjDGTMZbOaz2urZtJylqs93rAi7iBhOWPEJm9qHI1a_u7bEOaOhExi" \
    "EeIWp5EaNdHdE3jcI3mUfVfUnpXGxAiEscQa373keqAFWx1vochfJ-X1RX6OaSutJ0-hhv5NuUoTTxVRIsJW" \
    "gKGWOHoLn2hcyv6bmV90Ko5VsHaKhpAQvHRNwneV3qCQZtCjyMdvL-P8Qbm91tjpshFWiHUVGxhgsnfaqQER" \
    "QUdZJbOrm1s853dCQzodqsnYW69P7BH7uqudVnrB26JQOmrKcnGsSvaEzAzNsSkH9B28rHnjGA.YVFo8zGJy" \
    "Sj1JEWL.FcMsgxzd8SU9_rG1GSKuGo_QAocyKEjXjzpDCi4zt-r_LmsDwJTTX5p8l-_r8iNwal56mIIRNy92" \
    "o0CcNgYiFPY63wb96uFXi5w6f2sGkTDGqQ3RkfRP2oJCz3n3VSHakWDLNXL5CXaP36j0OIY3kQq4dFDJ-tY7" \
    "OeaselX1o2ZJasxDouMoDCbu5DLyx6VpO4CJ6s1mX9hStvfTFklwGmN4JPYVrVbLZw.a8SYKoFGn4Jfqy7kV" \
    "0EYvw"
#define TOKEN_BARE_RSA \
    "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIiwiY3R5IjoiSldUIn0.o1j3_TbXfDXXmalk" \
    "ogaMGXCTPLi40EXMMgCvepd6Nsyqd4eKdyiBneEBGmReijC_yqCensXg9qwtywJa-zwkSn9-XD1aFgdqs3Bd" \
    "eOwHenXJPoy7As2UU4axURqeka-5LaeZCUQRGor-ixN55jx00VW8qJKDTYsGHfORiaislZ0TxXRM6fgPxOhb" \
    "dFkr7YWWRJvrALBGW7ITbX5RxQTLw41wJ-JEYOsyY86CLfIP6y1C4GGn3qH6Ti6vZjQh5qrWU2VHh87K210_" \
    "zKm_BvRso8DNMBX3XlYytcQhJhdZrUVKY_6J-_r4E339KNhcDpxeWd4Wi7pW639wbB9nx3e9uw.Vw-Us_UmC" \
    "cEKyJax.Qr6G4vehXxSm4-MO6lfYMMs3mVNuOphsvQRRBqgnfAwYPp0LJ5jNn2bGOx5da7JHTa7Gt8J6czcO" \
    "uHe-GRlKYwWo.gM10-qBYfVMdvEbNSiAihA"
#define TOKEN_TWICE_RSA \
    "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIiwiY3R5IjoiSldUIn0.HI0HC5ks8Qlfige8" \
    "xe-Q_FIrNx_4ye5W2PuxUqQ7XGF6pe6P92gASihY3DUJKb_UJMZb2-eJbWChlrSGtDMVym2Q19VrlRQZ23X6" \
    "WXzAN-lXL2tIqfrqv188ii_O6Q3fbdpxuDEfHB9C73SiciXGIrhGiG4attUta8x0qptWqzCgnqXPSbpmr_Xc" \
    "EoY9gCr_GrJo5MJpGAeWYkIIHw4EXY-cBhfLWj4a6cs-zSV2ci7DS6WsnKF5ZyhOg0kJ2RXxia14bUjKbSpy" \
    "LE5ES3octtw0VvYeJGvB9P5FlJ_VMafbmC2NUu74rSVdwuznw9M6XqaUNTI-s72oH276KMbShg.svRWWHHYF" \
    "p0L4qUx.NpbIhLNgkzRw-Qflmu6qwxrjZKYHQT7oDhEfySBC8I2ZMfgnDfcUUtbYVHlc-9ND1kqefhi1TALP" \
    "TpTTIiZ54kU0lxjSZtZZCbbsN-pizY65Uh18mJ5MxCgSjEPU3dWQXlOnWv0MBNJA_vTVBoTDoAAnbqY9AD7V" \
    "goOsEQEV5U2q-aW82CO9MpULhwDq72Ew2iicfv9Y2_xb5g6yESUNbpnDVgAd6oK7rB7PEVggug_uOxOMQ8XO" \
    "fea_SdD8-cBhjnp79HvxxaaGd9pYrRmeXzBVG7fvCeSGDOtdE-CZKTTOHEfQ5tt8Detmga_T-EuXFAdDnttd" \
    "Yx1vWpvCCbks8FsCJHarhrM2w5d-uGs8EdWMfuJB2NIm2QiA-aoB6E5PRSsHToqkCupA0RnxteL3SV5AMM3M" \
    "T_tt5qf5v4MVCvSVz1Yi82I_GR9uQUKkEAqmw9a5UR9KkgK5TVr4T6GX0Te7-8JQ_sior2E5ekzJltXIAc3P" \
    "aEGvG4eWL-HxWvwtXnFfAnaWez4r0JYwnGr4rR5IR6cUaKweQ8yuihmwo9P8mrqumeXguI1dPfAXfoKvJU2l" \
    "9DHwqE-FwyRhZVCNSbJlEep59UcMWB0yCtE9TF07ygs_5_osskM02zdAISqYqW-c5nqO8mj7cKsOSxViZ5dr" \
    "GtKsPe-bW-9SpqX_XHFOtg_XRUEV47_bzO7j-w_LWs9ZrjcRkOE6V0VCU61sYeh5wLtxMbADi3xbMvyOjefE" \
    "_bTRKNrkmxT3hYXUS9hdnSZvuRMIgJFZMsrce7PWf3obucifbeFN6fF5AQujSYKIjz4Gfs6xSBL8IHNDH2rZ" \
    "ZN71o8_WSzM6kxH1FAbdFdpRQR0qrhqHY-HK-prNpMEZsTMGX8OJB3AWRVe-DQJVkcjInfk.2vzfuZJfFlY8" \
    "6sIMGKhIgQ"
#define TOKEN_NESTED_RSA_SHA1 \
    "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00iLCJjdHkiOiJKV1QifQ.TaXJfqBuG4rjzlFxoEpYh" \
    "nQ9Gm-VmzU_bc3gw5S8theQlBQwlMyoyiiNIv_2JAhatiN43bMJb17ichfaSy3bEhwysrIkMj5yxgehwQ7X2" \
    "3VzsNIKAQkxoK6-o_MTXZKidXvhJwSZ6s4zQFaz3g0ZLWo5DaZXOXUrVkO_QBcuLo5UtqmTBtcwK4svUkP9j" \
    "ZAm7vCDf52xPx6SPqvgMzM92O9ZgKR_ih9uUL1jaGOv8v3827WOYy9OGLl-_--zQZ4eZnm73L3LbJsw2ygI4" \
    "rEUwDkkdY0vIqMqR7uch6oE3ROjVOiaNyVb-GnQ8s2fM3AkJjJwnYQr6YRf5eT7QeHJPw.5lrIBeSsfSfUBR" \
    "Ib.oRFVQdv9YQFR6H1TuclrnXmK5UEXbA6l_7m-4lnZ2Fbn901nD0jhK6pKB_R5vecl4G2N2yjPyJhqWjfE1" \
    "0d_BXZBVJLuynAETMvH5mqmbdMA9a0XRd4ePODe8OkQOfZWSVuvhj5qLFGxsyQacGfZr2iCwLIk-7rdvITqH" \
    "g94X4AChAcB7TanyH99qH9EX2RSAJdNQWI_5CM1mGW5-COpXbyb9h7T6sEr0w.CPIge-r_yGESOXAhCJJu6g"
#define TOKEN_NESTED_ECDH \
    "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOENCQy1IUzI1NiIsImN0eSI6IkpXVCIsImVwayI6eyJ4Ijoi" \
    "LUZqcWNld0VzQWFmZ3dwRFltN2xIejIzWmxOa3FYUy1qZVRJMkw1R0tQZyIsImNydiI6IlAtMjU2Iiwia3R5" \
    "IjoiRUMiLCJ5IjoiLW5RX3U2YTZwel92ZkFXUW95bDRkdTlPUWZNMHdVeVRfVjcxYUJEcFdlRSJ9fQ..EKDy" \
    "ronHB-3nQI2R31ryyQ.h1D0gs5ZcJmh78ILijRSBbonCLh9JWx1g7epqJuR6Hhba7YWVD8ArMwREl1ER-Hkn" \
    "HnTxoMd4hYKBRQl6aWpdMV8R8Yke0m7jfyTg6913HPtBT5Q-5wHIfzFbQ6Hi4OaSU8tjA2fZNThX6w-r2RKQ" \
    "jQW-q26DKMlq4cPtcylh7BR8AxZEU2Mggx7pe_lYN3OMiMOpV6N2QuAmI_L-p5jOXK5wah5p4raQHGV1s58w" \
    "x4.xO3JozGEGLyIouY7PdOWpQ"
#define TOKEN_NESTED_ECDH_P521 \
    "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImN0eSI6IkpXVCIsImVwayI6eyJ4IjoiQVZhSlJD" \
    "YUhfZUsyUFQ3Z1ZDMUY2UmpqZUM1UmlscmlOblhTS3BXcmhGODlzZzN3eUFWakNBeGZnQ1Q2VjdtNkd0QmU2" \
    "SWowdW1xWGVLR3VualpFd1pLMCIsImNydiI6IlAtNTIxIiwia3R5IjoiRUMiLCJ5IjoiQU9Ec2dWYlZoT3Rv" \
    "ZGJsajc5Zm5VV0o4VENHWFNNZ3NFVVZhUkRSZzhOdzdtZm4wSkNzdEZCbmc1cllpMkNXSlNGVUVMRUdpLW5U" \
    "ak96bHE5V3ZRak1qQSJ9fQ..RfWZxSUNsolm7wft.YBe7P1CqcxrO8JgiP5lAY8UBKdJyO8bEtETuhVlNL8e" \
    "eEBCtCvvBzD9m0EvkxTIjZ8U5Q_DxZ0iIw_ZLlB1LXDnODZ0K28ECWdytAL2sYebROiXeQBcYMlrUmKDLqwq" \
    "9_1KQzy6PwpxQEyEPAwIb5eEX9xjZLn1E0flYw5JLTRXq6y9XMKy2LL3YcFIH2ZheTVp-UiThI6Xoh-Kec-K" \
    "OF6SD2Uqkq9kzMg.ogm5oUV4pdw8LMjdzN2tbg"
#define TOKEN_NESTED_ECDH_KW \
    "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZDQkMtSFM1MTIiLCJjdHkiOiJKV1QiLCJlcGsi" \
    "OnsieCI6IkhyOEZKNW5VN2RyN2QtY1pjWDFraTg0OWJHVExEYTVaQk5JaXVXWDZaaW9PR1k5MTFGUS1rVWNq" \
    "NjNUX2czMkUiLCJjcnYiOiJQLTM4NCIsImt0eSI6IkVDIiwieSI6IjdOYUoweUt0Z25WUlhqTGYxUzJyYmpn" \
    "THJVOVpscTdITEZTQU1RcnVUMGN1NFAzN2E5UDcyc29hVFZlS1lQS0EifX0.ZYWlWllxc_rRFPVlK_92Zvfe" \
    "fmUp5SE9-_BtGkLzONzfxTAIIoH1DharwWxnGGJouTgEa9J2b-pA-2i1YG9Nsqno1RKGLpl5.8c8UnhSxCmV" \
    "cTisp4xSjkw.WRhtvAbU-U9zUKXS5KlWUEB6sWrN4jcGVzu_uWvPFwJvvPyejQ81hPcJ3Tw9Z-MyqIpP97S6" \
    "5l1KBfsXg-Cyn_CzG-eHWh1Gjge-cHzXEdAKjPGu7wRj3hOtaroJDSDLgas2RVVU39q0Rnm15HlOawMCgPk9" \
    "5_H2hfs6ywg8rAa0if_rv4RaYBp_ULOgsbW0lvyKnKdPb9W-PnmizTlqvCM-2gPnDeraO96J3xJhjug.icHk" \
    "C4ejwdsnUpeYY5axaETAG0ZjHllKBfM-UozkQqQ"
#define TOKEN_BARE_ECDH \
    "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImN0eSI6IkpXVCIsImVwayI6eyJ4IjoickpOZDVX" \
    "TXN2ZG9udGJTY01xVlB6TUNfNHNLejVxLVp4OW1mRkF6ZHBmUSIsImNydiI6IlAtMjU2Iiwia3R5IjoiRUMi" \
    "LCJ5IjoiUHdsamdOb2ZlYXlIRGpyeTBzQll5NHU1eUp4LVZFbjRyYWJhdFRWSW5XSSJ9fQ..JJZsU36L4tU8" \
    "Dxhe.M-t834wbvnaeLMBKUfxAavTgi-KZ52lbIJ4ZSM_M4Lje-DnBaC_xXeD0iZIBIWHa5RzSDqdGOfqITGY" \
    "feCJ_wr3j.dlmsV-3wMkokUBtN5nLl4g"
#define TOKEN_PBES2 \
    "eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJlbmMiOiJBMTI4R0NNIiwicDJjIjoxMDAwLCJwMnMiOiJE" \
    "bS1UVjFrN1F4R19mdU1kMU5ENWxnIn0.bh1SFvZjr5ismAln4DUxrmoj9zIJfWGW.D5dyAoV5IO0UxNzh.tY" \
    "iefvG-jQ6nQ_bPcGXfDq5Cadc4IUELQu_q24HKZGax4N7k9WT_OYJ08R8pVcwZnB3jexRE7wiie699nLmYEN" \
    "K_pVIbV2q2kzbzxEr7bO9sY1JPg1fJW0X6RVbVvkRtjfiF2e3MXUFec6uoOF3Yw5A81LycMFwE4k7uTBx5OV" \
    "3_3ybgRODrlIE7MUQTQu6V-IbQj7qePP0oQmYFAjWjDuzLXzyW2nW9tQ.6KTrp7WL6ucOwdkiXqcmUA"
#define RFC7515_A1_JWK \
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS" \
    "4hcgUuTwjAzZr1Z9CAow\"}"
#define RFC7515_A1 \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODA" \
    "sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_w" \
    "W1gFWFOEjXk"
#define RFC7515_A2_JWK \
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-V" \
    "aw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9w" \
    "Gzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMT" \
    "BQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kz" \
    "k2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\",\"d\":\"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpX" \
    "yWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2b" \
    "KVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0" \
    "ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOne" \
    "ufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ\",\"p\":\"4BzEEOtIpmVdVEZNCqS7baC4crd0p" \
    "qnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcm" \
    "nPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc\",\"q\":\"uQPEfgmVtjL0Uyyx88G" \
    "ZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62w" \
    "Dmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc\",\"dp\":\"BwKfV3Ak" \
    "q5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R" \
    "6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0\",\"dq" \
    "\":\"h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr" \
    "6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0" \
    "tIiTHU\",\"qi\":\"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq" \
    "2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-Z" \
    "QwVK0JKSHuLFkuQ3U\"}"
#define RFC7515_A2 \
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGF" \
    "tcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu" \
    "3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdi" \
    "uB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x" \
    "i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5A" \
    "XLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define RFC7515_A3_JWK \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_F" \
    "EzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE" \
    "9-E9LI\"}"
#define RFC7515_A3 \
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGF" \
    "tcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw" \
    "5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define RFC7515_A4_JWK \
    "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOn" \
    "YG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l" \
    "2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\",\"d\":\"AY5pb7A0UFiB3RELSD64fTLOSV_jazd" \
    "F7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C\"}"
#define RFC7515_A4 \
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1" \
    "bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqO" \
    "gzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
#define RFC7515_A5 \
    "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt" \
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
#define RFC7516_A3 \
    "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0." \
    "6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ." \
    "AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY." \
    "U0m_YmjN04DJvceFICbCVQ"
#define RFC7520_51_JWK \
    "{\"kty\":\"RSA\",\"kid\":\"frodo.baggins@hobbiton.example\",\"use\":\"enc\",\"n\":\"maxhbsmBtdQ3CNr" \
    "KvprUE6n9lYcregDMLYNeTAWcLj8NnPU9XIYegTHVHQjxKDSHP2l-F5jS7sppG1wgdAqZyhnWvXhYNvcM7Rf" \
    "gKxqNx_xAHx6f3yy7s-M9PSNCwPC2lh6UAkR4I00EhV9lrypM9Pi4lBUop9t5fS9W5UNwaAllhrd-osQGPjI" \
    "eI1deHTwx-ZTHu3C60Pu_LJIl6hKn9wbwaUmA4cR5Bd2pgbaY7ASgsjCUbtYJaNIHSoHXprUdJZKUMAzV0WO" \
    "KPfA6OPI4oypBadjvMZ4ZAj3BnXaSYsEZhaueTXvZB4eZOAjIyh2e_VOIKVMsnDrJYAVotGlvMQ\",\"e\":\"AQ" \
    "AB\",\"d\":\"Kn9tgoHfiTVi8uPu5b9TnwyHwG5dK6RE0uFdlpCGnJN7ZEi963R7wybQ1PLAHmpIbNTztfrheoA" \
    "niRV1NCIqXaW_qS461xiDTp4ntEPnqcKsyO5jMAji7-CL8vhpYYowNFvIesgMoVaPRYMYT9TW63hNM0aWs7U" \
    "SZ_hLg6Oe1mY0vHTI3FucjSM86Nff4oIENt43r2fspgEPGRrdE6fpLc9Oaq-qeP1GFULimrRdndm-P8q8kvN" \
    "3KHlNAtEgrQAgTTgz80S-3VD0FgWfgnb1PNmiuPUxO8OpI9KDIfu_acc6fg14nsNaJqXe6RESvhGPH2afjHq" \
    "Sy_Fd2vpzj85bQQ\",\"p\":\"2DwQmZ43FoTnQ8IkUj3BmKRf5Eh2mizZA5xEJ2MinUE3sdTYKSLtaEoekX9vbB" \
    "ZuWxHdVhM6UnKCJ_2iNk8Z0ayLYHL0_G21aXf9-unynEpUsH7HHTklLpYAzOOx1ZgVljoxAdWNn3hiEFrjZL" \
    "ZGS7lOH-a3QQlDDQoJOJ2VFmU\",\"q\":\"te8LY4-W7IyaqH1ExujjMqkTAlTeRbv0VLQnfLY2xINnrWdwiQ93" \
    "_VF099aP1ESeLja2nw-6iKIe-qT7mtCPozKfVtUYfz5HrJ_XY2kfexJINb9lhZHMv5p1skZpeIS-GPHCC6gR" \
    "lKo1q-idn_qxyusfWv7WAxlSVfQfk8d6Et0\",\"dp\":\"UfYKcL_or492vVc0PzwLSplbg4L3-Z5wL48mwiswb" \
    "pzOyIgd2xHTHQmjJpFAIZ8q-zf9RmgJXkDrFs9rkdxPtAsL1WYdeCT5c125Fkdg317JVRDo1inX7x2Kdh8ER" \
    "CreW8_4zXItuTl_KiXZNU5lvMQjWbIw2eTx1lpsflo0rYU\",\"dq\":\"iEgcO-QfpepdH8FWd7mUFyrXdnOkXJ" \
    "BCogChY6YKuIHGc_p8Le9MbpFKESzEaLlN1Ehf3B6oGBl5Iz_ayUlZj2IoQZ82znoUrpa9fVYNot87ACfzIG" \
    "7q9Mv7RiPAderZi03tkVXAdaBau_9vs5rS-7HMtxkVrxSUvJY14TkXlHE\",\"qi\":\"kC-lzZOqoFaZCr5l0tO" \
    "VtREKoVqaAYhQiqIRGL-MzS4sCmRkxm5vZlXYx6RtE1n_AagjqajlkjieGlxTTThHD8Iga6foGBMaAr5uR1h" \
    "GQpSc7Gl7CF1DZkBJMTQN6EshYzZfxW08mIO8M6Rzuh0beL6fG9mkDcIyPrBXx2bQ_mM\"}"
#define RFC7520_51 \
    "eyJhbGciOiJSU0ExXzUiLCJraWQiOiJmcm9kby5iYWdnaW5zQGhvYmJpdG9uLmV4YW1wbGUiLCJlbmMiOiJB" \
    "MTI4Q0JDLUhTMjU2In0.laLxI0j-nLH-_BgLOXMozKxmy9gffy2gTdvqzfTihJBuuzxg0V7yk1WClnQePFvG" \
    "2K-pvSlWc9BRIazDrn50RcRai__3TDON395H3c62tIouJJ4XaRvYHFjZTZ2GXfz8YAImcc91Tfk0WXC2F5Xb" \
    "b71ClQ1DDH151tlpH77f2ff7xiSxh9oSewYrcGTSLUeeCt36r1Kt3OSj7EyBQXoZlN7IxbyhMAfgIe7Mv1rO" \
    "TOI5I8NQqeXXW8VlzNmoxaGMny3YnGir5Wf6Qt2nBq4qDaPdnaAuuGUGEecelIO1wx1BpyIfgvfjOhMBs9M8" \
    "XL223Fg47xlGsMXdfuY-4jaqVw.bbd5sTkYwhAIqfHsx8DayA.0fys_TY_na7f8dwSfXLiYdHaA2DxUjD67i" \
    "eF7fcVbIR62JhJvGZ4_FNVSiGc_raa0HnLQ6s1P2sv3Xzl1p1l_o5wR_RsSzrS8Z-wnI3Jvo0mkpEEnlDmZv" \
    "Du_k8OWzJv7eZVEqiWKdyVzFhPpiyQU28GLOpRc2VbVbK4dQKPdNTjPPEmRqcaGeTWZVyeSUvf5k59yJZxRu" \
    "SvWFf6KrNtmRdZ8R4mDOjHSrM_s8uwIFcqt4r5GX8TKaI0zT5CbL5Qlw3sRc7u_hg0yKVOiRytEAEs3vZkcf" \
    "LkP6nbXdC_PkMdNS-ohP78T2O6_7uInMGhFeX4ctHG7VelHGiT93JfWDEQi5_V9UN1rhXNrYu-0fVMkZAKX3" \
    "VWi7lzA6BP430m.kvKuFBXHe5mQr4lqgobAUg"
#define RFC7520_55_JWK \
    "{\"kty\":\"EC\",\"kid\":\"meriadoc.brandybuck@buckland.example\",\"use\":\"enc\",\"crv\":\"P-256\",\"" \
    "x\":\"Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0\",\"y\":\"HlLtdXARY_f55A3fnzQbPcm6hgr34M" \
    "p8p-nuzQCE0Zw\",\"d\":\"r_kHyZ-a06rmxM3yESK84r1otSg-aQcVStkRhA-iCM8\"}"
#define RFC7520_55 \
    "eyJhbGciOiJFQ0RILUVTIiwia2lkIjoibWVyaWFkb2MuYnJhbmR5YnVja0BidWNrbGFuZC5leGFtcGxlIiwi" \
    "ZXBrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoibVBVS1RfYkFXR0hJaGcwVHBqanFWc1AxclhX" \
    "UXVfdndWT0hIdE5rZFlvQSIsInkiOiI4QlFBc0ltR2VBUzQ2ZnlXdzVNaFlmR1RUMElqQnBGdzJTUzM0RHY0" \
    "SXJzIn0sImVuYyI6IkExMjhDQkMtSFMyNTYifQ..yc9N8v5sYyv3iGQT926IUg.BoDlwPnTypYq-ivjmQvAY" \
    "JLb5Q6l-F3LIgQomlz87yW4OPKbWE1zSTEFjDfhU9IPIOSA9Bml4m7iDFwA-1ZXvHteLDtw4R1XRGMEsDIqA" \
    "YtskTTmzmzNa-_q4F_evAPUmwlO-ZG45Mnq4uhM1fm_D9rBtWolqZSF3xGNNkpOMQKF1Cl8i8wjzRli7-IXg" \
    "yirlKQsbhhqRzkv8IcY6aHl24j03C-AR2le1r7URUhArM79BY8soZU0lzwI-sD5PZ3l4NDCCei9XkoIAfsXJ" \
    "WmySPoeRb2Ni5UZL4mYpvKDiwmyzGd65KqVw7MsFfI_K767G9C9Azp73gKZD0DyUn1mn0WW5LmyX_yJ-3ARO" \
    "q8p1WZBfG-ZyJ6195_JGG2m9Csg.WCCkNa-x4BeB9hIDIfFuhg"
#define RFC7520_56_JWK \
    "{\"kty\":\"oct\",\"kid\":\"77c7e2b8-6e13-45cf-8672-617b5b45243a\",\"use\":\"enc\",\"alg\":\"A128GCM" \
    "\",\"k\":\"XctOhJAkA-pD9Lh7ZgW_2A\"}"
#define RFC7520_56 \
    "eyJhbGciOiJkaXIiLCJraWQiOiI3N2M3ZTJiOC02ZTEzLTQ1Y2YtODY3Mi02MTdiNWI0NTI0M2EiLCJlbmMi" \
    "OiJBMTI4R0NNIn0..refa467QzzKx6QAB.JW_i_f52hww_ELQPGaYyeAB6HYGcR559l9TYnSovc23XJoBcW2" \
    "9rHP8yZOZG7YhLpT1bjFuvZPjQS-m0IFtVcXkZXdH_lr_FrdYt9HRUYkshtrMmIUAyGmUnd9zMDB2n0cRDIH" \
    "AzFVeJUDxkUwVAE7_YGRPdcqMyiBoCO-FBdE-Nceb4h3-FtBP-c_BIwCPTjb9o0SbdcdREEMJMyZBH8ySWMV" \
    "i1gPD9yxi-aQpGbSv_F9N4IZAxscj5g-NJsUPbjk29-s7LJAGb15wEBtXphVCgyy53CoIKLHHeJHXex45Uz9" \
    "aKZSRSInZI-wjsY0yu3cT4_aQ3i1o-tiE-F8Ios61EKgyIQ4CWao8PFMj8TTnp.vbb32Xvllea2OtmHAdccR" \
    "Q"

#endif
