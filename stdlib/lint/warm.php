<?php
// The warm PHP parent of rollsh's lint, on this machine or on a node. It forks for
// every batch of files; the child compiles each by include, which is php's own
// compiler with early binding, and ends. Nothing of a file is run: `return` is put
// before its first statement. Protocol, on stdin, as many batches at once as are
// wanted: "ID N\n" for N files, then for each " BYTES\n" and that many bytes of
// text, or "SIZE BYTES\n" and that many bytes of the path of a file of SIZE bytes.
// On stdout: a line of greeting, then for every batch, as they are done,
// "ID MARKS\n", one mark a file: '.' compiles; 'x' does not, or cannot be told here;
// 'b' begin a new batch with this file. A child that ends early (a fatal error)
// leaves the rest without marks. The names here are long, as they must not be those
// of a class or function in a file.

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

    // Compiles the files, in a child, and ends it. The marks are told in a line when
    // the last is made or a fatal error ends php; where $each is set also one by one,
    // for what ends the process itself or takes too long.
    $compile = static function (array $items, $out, bool $each) use ($guarded, $declared, $again, $done): void {
        $marks = '';
        $end = static function () use (&$marks, $out): void {
            fwrite($out, "$marks\n");
            posix_kill(posix_getpid(), SIGKILL);
        };
        register_shutdown_function($end);
        $counts = $names = []; // names are those of the classes that files have left declared
        $declared($counts);
        pcntl_alarm(10);
        foreach ($items as $i => [$text, $size]) {
            if ($each) {
                fwrite($out, $marks);
                $marks = '';
                pcntl_alarm(10);
            }
            if ($size !== '') { // a path
                $text = file_get_contents($text, false, null, 0, (int) $size + 1);
                if ($text === false || strlen($text) !== (int) $size) {
                    $marks .= 'x';
                    continue;
                }
            }
            if ($names && $again($text, $names)) {
                $marks .= 'b';
                break;
            }
            RollshLintSourceStreamWrapper::$text = (string) $guarded($text);
            $mark = 'x';
            try {
                if (RollshLintSourceStreamWrapper::$text !== '' && (include "rollshlint://$i") === $done) {
                    $mark = '.';
                }
            } catch (Throwable $e) {
            }
            $marks .= $mark;
            $names += $declared($counts);
        }
        $end();
    };

    $in = fopen('php://stdin', 'r');
    $out = fopen('php://stdout', 'w');
    $read = static function (int $length) use ($in): string {
        $text = $length > 0 ? stream_get_contents($in, $length) : '';
        if (strlen($text) !== $length) {
            exit(1);
        }
        return $text;
    };
    $children = []; // by pid: the socket that the child tells its marks on, and what it was begun with

    // Forks for a batch.
    $begin = static function (string $id, array $items, bool $each) use (&$children, $compile, $out): void {
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $pid = $pair ? pcntl_fork() : -1;
        if ($pid === 0) {
            $compile($items, $pair[1], $each);
        }
        if ($pid < 0) {
            fwrite($out, "$id \n");
            return;
        }
        fclose($pair[1]);
        $children[$pid] = [$pair[0], $id, $items, $each, ''];
    };

    // Takes what a child tells; at its end the marks are told. A line that does not
    // end is that of a child that something else than php ended.
    $take = static function (int $pid) use (&$children, $begin, $out): void {
        [$socket, $id, $items, $each, $marks] = $children[$pid];
        $part = (string) fread($socket, 8192);
        $children[$pid][4] = $marks .= $part;
        if ($part !== '') {
            return;
        }
        fclose($socket);
        unset($children[$pid]);
        pcntl_waitpid($pid, $status);
        if (!$each && substr($marks, -1) !== "\n") {
            $begin($id, $items, true);
            return;
        }
        fwrite($out, "$id " . rtrim($marks, "\n") . "\n");
    };

    foreach (['pcntl_fork', 'pcntl_waitpid', 'pcntl_alarm', 'posix_kill', 'posix_getpid', 'token_get_all',
        'stream_wrapper_register', 'stream_socket_pair', 'stream_select'] as $name) {
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
    // What a first use prepares is prepared here, for all children.
    $again('class', []);
    RollshLintSourceStreamWrapper::$text = $guarded("<?php\n");
    include 'rollshlint://0';
    fwrite($out, "rollsh lint 3\n");
    while (true) {
        $ready = [-1 => $in] + array_map(static fn ($child) => $child[0], $children);
        $none = null;
        if (!stream_select($ready, $none, $none, null)) {
            continue;
        }
        if (isset($ready[-1])) {
            $head = fgets($in);
            if ($head === false) {
                break;
            }
            [$id, $count] = explode(' ', $head) + ['', 0];
            $items = [];
            for ($i = 0; $i < (int) $count; $i++) {
                [$size, $length] = explode(' ', (string) fgets($in)) + ['', 0];
                $items[] = [$read((int) $length), $size];
            }
            $begin($id, $items, false);
            unset($ready[-1], $items);
        }
        foreach ($ready as $pid => $socket) {
            $take($pid);
        }
    }
    foreach ($children as $pid => $child) {
        posix_kill($pid, SIGKILL);
    }
})();
