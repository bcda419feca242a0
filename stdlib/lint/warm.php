<?php
// The warm PHP parent of rollsh's lint, on this machine or on a node. It forks for
// every batch of files; the child compiles each by include, which is php's own
// compiler with early binding, and kills itself. Nothing of a file is run:
// `return` is put before its first statement. Protocol, on stdin: "N\n" for N
// files, then for each "BYTES\n" and that many bytes of text. On stdout: one line
// of greeting, then for every batch one mark a file and "\n". Marks: '.' compiles;
// 'x' does not, or cannot be told here; 'b' begin a new batch with this file. A
// child that ends early (a fatal error) leaves the rest without marks. The names
// here are long, as they must not be those of a class or function in a file.

final class RollshLintSourceStreamWrapper
{
    public static string $text = '';
    public $context;
    private int $at = 0;

    public function stream_open($path, $mode, $options, &$opened)
    {
        return true;
    }

    public function stream_read($count)
    {
        $part = substr(self::$text, $this->at, $count);
        $this->at += strlen($part);
        return $part;
    }

    public function stream_eof()
    {
        return $this->at >= strlen(self::$text);
    }

    public function stream_stat()
    {
        return ['size' => strlen(self::$text)];
    }

    public function stream_set_option($option, $arg1, $arg2)
    {
        return false;
    }

    public function stream_close()
    {
    }
}

(static function () {
    $done = 7919; // what include gives when the file was compiled and returned at once

    // The text with `return` put first: after the opening tag, leading declares and
    // a namespace, which must stay first. Null where that place is not plain.
    $guarded = static function (string $text) use ($done): ?string {
        if (strncmp($text, '#!', 2) === 0) {
            $end = strpos($text, "\n");
            $text = $end === false ? '' : substr($text, $end + 1);
        }
        // Most often the first few lines tell; tokens cost more than compiling.
        foreach ([256, 8192, PHP_INT_MAX] as $size) {
            $tokens = token_get_all(substr($text, 0, $size));
            if (!$tokens || !is_array($tokens[0]) || $tokens[0][0] !== T_OPEN_TAG) {
                return "<?php return $done; ?>" . $text;
            }
            $pos = $place = strlen($tokens[0][1]);
            $declaring = $naming = false;
            $depth = 0;
            $n = count($tokens) - ($size < strlen($text) ? 1 : 0); // the last may be cut short
            for ($i = 1; $i < $n; $i++) {
                $id = is_array($tokens[$i]) ? $tokens[$i][0] : $tokens[$i];
                $pos += strlen(is_array($tokens[$i]) ? $tokens[$i][1] : $id);
                if ($id === T_WHITESPACE || $id === T_COMMENT || $id === T_DOC_COMMENT) {
                    continue;
                }
                if ($declaring) {
                    $depth += ($id === '(') - ($id === ')');
                    if ($depth > 0 || $id === ')' || $id === '(') {
                        continue;
                    }
                    if ($id === T_CLOSE_TAG) {
                        return null;
                    }
                    if ($id !== ';') {
                        break 2; // a declare with a block: return goes before it
                    }
                    $declaring = false;
                    $place = $pos;
                } elseif ($naming) {
                    if ($id === T_CLOSE_TAG || $id === T_NS_SEPARATOR) {
                        return null;
                    }
                    if ($id === ';' || $id === '{') {
                        $place = $pos;
                        break 2;
                    }
                } elseif ($id === T_DECLARE) {
                    $declaring = true;
                } elseif ($id === T_NAMESPACE) {
                    $naming = true;
                } elseif ($id !== ';' && $id !== T_CLOSE_TAG && $id !== T_OPEN_TAG) {
                    break 2;
                }
            }
            if ($size >= strlen($text)) {
                break;
            }
        }
        return substr($text, 0, $place) . " return $done; " . substr($text, $place);
    };

    // The short names of the classes that were declared since: they are listed in
    // order. $counts is how many there were, and is brought up to date.
    $declared = static function (array &$counts): array {
        $names = [];
        foreach (['get_declared_classes', 'get_declared_interfaces', 'get_declared_traits'] as $list) {
            $all = $list();
            for ($n = count($all), $i = $counts[$list] ?? 0; $i < $n; $i++) {
                $names[strtolower(substr(strrchr('\\' . $all[$i], '\\'), 1))] = true;
            }
            $counts[$list] = $n;
        }
        return $names;
    };

    // Whether the text may declare a class of one of these short names again. A
    // class that is there already hides the errors of early binding in one of the
    // same name. (A function that is there ends the child: that hides nothing.)
    $again = static function (string $text, array $names): bool {
        $found = preg_match_all('~\b(?:class|interface|trait|enum)(?:\s|/\*.*?\*/|(?://|\#)[^\n]*\n)+([a-z_\x80-\xff][a-z0-9_\x80-\xff]*)~is', $text, $m);
        if ($found === false) {
            return true;
        }
        foreach ($m[1] as $name) {
            if (isset($names[strtolower($name)])) {
                return true;
            }
        }
        return false;
    };

    $compile = static function (array $texts, $out) use ($guarded, $declared, $again, $done): void {
        $counts = $names = []; // names are those of the classes that files have left declared
        $declared($counts);
        foreach ($texts as $i => $text) {
            if ($names && $again($text, $names)) {
                fwrite($out, 'b');
                return;
            }
            RollshLintSourceStreamWrapper::$text = (string) $guarded($text);
            $mark = 'x';
            try {
                if (RollshLintSourceStreamWrapper::$text !== '' && (include "rollshlint://$i") === $done) {
                    $mark = '.';
                }
            } catch (Throwable $e) {
            }
            fwrite($out, $mark);
            $names += $declared($counts);
        }
    };

    $in = fopen('php://stdin', 'r');
    $out = fopen('php://stdout', 'w');
    foreach (['pcntl_fork', 'pcntl_waitpid', 'posix_kill', 'posix_getpid', 'token_get_all', 'stream_wrapper_register'] as $name) {
        if (!function_exists($name)) {
            fwrite($out, "lacks $name\n");
            exit(1);
        }
    }
    if (!stream_wrapper_register('rollshlint', RollshLintSourceStreamWrapper::class)) {
        fwrite($out, "lacks stream wrappers\n");
        exit(1);
    }
    stream_set_chunk_size($in, 262144);
    gc_disable();
    fwrite($out, "rollsh lint 2\n");
    while (($count = fgets($in)) !== false) {
        $texts = [];
        for ($i = 0; $i < (int) $count; $i++) {
            $size = (int) fgets($in);
            $texts[] = $text = $size > 0 ? stream_get_contents($in, $size) : '';
            if (strlen($text) !== $size) {
                exit(1);
            }
        }
        $pid = pcntl_fork();
        if ($pid === 0) {
            $compile($texts, $out);
            posix_kill(posix_getpid(), SIGKILL);
        }
        unset($texts, $text);
        if ($pid > 0) {
            pcntl_waitpid($pid, $status);
        }
        fwrite($out, "\n");
    }
})();
